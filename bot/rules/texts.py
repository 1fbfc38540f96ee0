"""Sentences about the rules of a channel, and the blocks that carry them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bot.rules.channel_rules import DEFAULT_RULES, MAX_USERS, ChannelRules, WhoMayAsk
from contract.job import Streaming
from contract.language import (
    LANGUAGE_NAMES,
    JoinedPhrases,
    Phrase,
    PluralPhrase,
    Translatable,
)
from contract.reply_rules import (
    MAX_CANDIDATES,
    MAX_PROMPT_CHARACTERS,
    MAX_REPLY_TOKENS,
    MAX_TEMPERATURE,
    MAX_TOP_K,
    MIN_REPLY_TOKENS,
)
from contract.texts import LIST_COMMA, join_sentences

Blocks = list[dict[str, Any]]

MAX_SHOWN_USERS: Final = 30
"""People of a list that are named."""

NOT_ALLOWED: Final = Phrase(
    "Only some people may ask me questions in this channel, and you aren't among them. "
    "`/starchat rules` shows who may. You can still write to me directly."
)
CHANNEL_CLOSED: Final = Phrase(
    "I answer no questions in this channel. `/starchat rules` shows its rules. "
    "You can still write to me directly."
)
GROUP_UNREADABLE: Final = Phrase(
    "Only members of a user group may ask me questions in this channel, but I can't read that "
    "group: it may be gone, or I lack a permission. So I take no questions here. "
    "Please tell a channel manager, who can change this by `/starchat settings`."
)
RULES_UNREADABLE: Final = Phrase(
    "I can't read this channel's rules right now, so I take no questions here. "
    "Please ask again in a minute. An administrator can find the reason in my log."
)
RULES_OFFERED: Final = Phrase(
    "`/starchat rules` shows this channel's rules, and what I'm told here."
)
DIRECT_MESSAGE_RULES: Final = Phrase(
    "A direct message has no rules of its own. I'm told nothing here beyond my operator's own "
    "instructions."
)
NO_PROMPT: Final = Phrase("I'm told nothing in this channel beyond my operator's own instructions.")
PROMPT_FOLLOWS: Final = Phrase(
    "In this channel I'm also told this, after my operator's own instructions:"
)

ASKED_BEFORE: Final = Phrase(
    "If colleagues marked the answer to much the same question ✓, I first link to that answer, "
    "here and in other public channels with this rule. I keep no text for that. The person who "
    "asked can take an answer out of this, by *Details* below it."
)
CHOICE_EXPECTED: Final = Phrase("It must be one of the choices.")

LABELS: Final = {
    "who": Phrase("who may ask"),
    "users": Phrase("list of people"),
    "group": Phrase("user group"),
    "prompt": Phrase("what I'm told here"),
    "max_new_tokens": Phrase("length of replies"),
    "temperature": Phrase("temperature"),
    "top_k": Phrase("top-k"),
    "top_p": Phrase("top-p"),
    "candidates": Phrase("candidates"),
    "without_mention": Phrase("answers without a mention"),
    "streaming": Phrase("growing replies"),
    "language": Phrase("language"),
    "asked_before": Phrase("links to earlier answers"),
}
"""Name of each rule, for people."""


FORM_LABELS: Final = {
    "who": Phrase("Who may ask"),
    "users": Phrase("People who may ask"),
    "group": Phrase("User group that may ask"),
    "prompt": Phrase("What I'm told in this channel"),
    "max_new_tokens": Phrase("Length of a reply in tokens"),
    "temperature": Phrase("Temperature"),
    "top_k": Phrase("Top-k"),
    "top_p": Phrase("Top-p"),
    "candidates": Phrase("Candidates for a reply with code"),
    "without_mention": Phrase("Without a mention"),
    "streaming": Phrase("Replies"),
    "language": Phrase("My language"),
    "asked_before": Phrase("Asked before"),
}
"""Label of each input of the modal."""
FORM_EXPECTATIONS: Final = {
    "who": Phrase(
        "It must be one of the choices. An input that it needs may be set by my operator."
    ),
    "users": Phrase("It must be a choice of 1 to {max} people.", max=MAX_USERS),
    "group": Phrase("It must be the id of a user group, such as S0123456789."),
    "prompt": Phrase(
        "It must be at most {max:,} characters of text, without control characters.",
        max=MAX_PROMPT_CHARACTERS,
    ),
    "max_new_tokens": Phrase(
        "It must be a whole number from {min} to {max}.", min=MIN_REPLY_TOKENS, max=MAX_REPLY_TOKENS
    ),
    "temperature": Phrase("It must be a number from 0 to {max}.", max=f"{MAX_TEMPERATURE:g}"),
    "top_k": Phrase("It must be a whole number from {min} to {max}.", min=0, max=MAX_TOP_K),
    "top_p": Phrase("It must be a number above 0 and at most 1."),
    "candidates": Phrase(
        "It must be a whole number from {min} to {max}.", min=1, max=MAX_CANDIDATES
    ),
    "without_mention": CHOICE_EXPECTED,
    "streaming": CHOICE_EXPECTED,
    "language": CHOICE_EXPECTED,
    "asked_before": CHOICE_EXPECTED,
}
"""What each input must be, for people."""
SECRET_IN_PROMPT: Final = Phrase(
    "It holds what looks like a password, a token or a key, and everyone in the channel can read "
    "it. Please remove it."
)
SETTINGS_LOADING: Final = Phrase("I'm reading the rules of this channel …")
NOT_A_MANAGER: Final = Phrase(
    "Only the person who created this channel, owners and administrators of the workspace, and my "
    "operator's administrators can change its rules. `/starchat rules` shows them."
)
MANAGER_UNKNOWN: Final = Phrase(
    "Slack didn't tell me whether you may change the rules of this channel, so nothing has "
    "changed. Please try again in a minute."
)
RULES_UNAVAILABLE: Final = Phrase(
    "I can't reach my database right now, so nothing has changed. Please try again in a minute."
)
SAVE_FAILED: Final = Phrase(
    "I couldn't reach my database. Press *Save* again in a minute: what you typed is still here, "
    "and it can't be saved twice."
)
STORED_UNREADABLE: Final = Phrase(
    "The stored rules of this channel are from a newer version of me, or damaged. No one may ask "
    "here until my operator has repaired that."
)
FORM_UNREADABLE: Final = Phrase(
    "I couldn't read this form. Please close it, and open it again by `/starchat settings`."
)
SETTINGS_EXPIRED: Final = Phrase(
    "I couldn't open the form in time. Please write `/starchat settings` once more."
)
GROUP_NOT_FOUND: Final = Phrase(
    "I can't read this user group: it is gone or disabled, or I lack the scope usergroups:read."
)
GROUP_NOT_CHECKED: Final = Phrase(
    "Slack didn't show me this user group in time. Please save once more."
)
NOTHING_TO_UNDO: Final = Phrase("There's no change of this channel's rules left to take back.")
ALREADY_DONE: Final = Phrase("That was already done. This channel's rules haven't changed again.")
SAVE_LINE: Final = Phrase("You see what you typed; *Save* replaces these present rules:")


def describe_save(changed: Iterable[str]) -> Translatable:
    """Tell which rules were changed."""
    return Phrase(
        "I changed this channel's rules: {names}. `/starchat settings undo` takes it back.",
        names=join_labels(changed),
    )


def describe_undone(changed: Iterable[str]) -> Translatable:
    """Tell which change was taken back."""
    return Phrase(
        "I took the last change of this channel's rules back: {names}.", names=join_labels(changed)
    )


def describe_conflict(user: str, rules: Iterable[str], current: ChannelRules) -> Translatable:
    """Tell that the rules were changed while a form was open, and what they are now."""
    changed = Phrase(
        "<@{user}> has changed these rules since you opened the form: {names}.",
        user=user,
        names=join_labels(rules),
    )
    return JoinedPhrases([join_sentences(changed, SAVE_LINE), *_list_rules(current)])


def context_block(text: str) -> dict[str, Any]:
    """Return a text as small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


class Words(NamedTuple):
    """A text for one person, and the blocks below it."""

    text: Translatable
    more_blocks: Sequence[dict[str, Any]] = ()


def describe_rules(rules: ChannelRules, locked: Iterable[str] = ()) -> Words:
    """Describe a channel's rules, its prompt literally; `locked` are those of the file."""
    title = Phrase("*This channel's rules*")
    if rules == DEFAULT_RULES:
        title = Phrase("*This channel has no rules of its own*")
    return Words(JoinedPhrases([title, *_list_rules(rules, locked)]), prompt_blocks(rules.prompt))


def prompt_blocks(prompt: str) -> Blocks:
    """Return a prompt as preformatted text, which shows it literally; no block for an empty one."""
    if not prompt:
        return []
    element = {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": prompt}],
    }
    return [{"type": "rich_text", "elements": [element]}]


def join_labels(keys: Iterable[str]) -> Translatable:
    """Return the names of rules for people, in the order of the rules."""
    wanted = set(keys)
    return JoinedPhrases((label for key, label in LABELS.items() if key in wanted), LIST_COMMA)


def _list_rules(rules: ChannelRules, locked: Iterable[str] = ()) -> list[Translatable]:
    lines = [_describe_who(rules), *_describe_replies(rules)]
    if rules.without_mention:
        lines.append(Phrase("I answer each new message of a person here, without a mention too."))
    if rules.streaming is Streaming.OFF:
        lines.append(Phrase("A reply appears when it is complete."))
    if rules.streaming is Streaming.EDITS:
        lines.append(Phrase("A reply appears while I write it."))
    if rules.language is not None:
        lines.append(Phrase("I speak {language} here.", language=LANGUAGE_NAMES[rules.language]))
    if rules.asked_before:
        lines.append(ASKED_BEFORE)
    names = join_labels(locked)
    if locked:
        lines.append(Phrase("My operator has set these in `channels.toml`: {names}.", names=names))
    lines.append(PROMPT_FOLLOWS if rules.prompt else NO_PROMPT)
    return [JoinedPhrases(["• ", line], "") for line in lines]


def _describe_who(rules: ChannelRules) -> Translatable:
    match rules.who:
        case WhoMayAsk.EVERYONE:
            return Phrase("Everyone here may ask me.")
        case WhoMayAsk.LIST:
            return _describe_list(rules.users)
        case WhoMayAsk.GROUP:
            return Phrase("Only members of <!subteam^{group}> may ask me.", group=rules.group)
        case _:
            return Phrase("I answer no questions here.")


def _describe_list(users: Sequence[str]) -> Translatable:
    shown = (f"<@{user}>" for user in users[:MAX_SHOWN_USERS])
    people = JoinedPhrases(shown, LIST_COMMA)
    others = len(users) - MAX_SHOWN_USERS
    if others <= 0:
        return Phrase("Only these may ask me: {people}.", people=people)
    return Phrase("Only these may ask me: {people} and {count} more.", people=people, count=others)


def _describe_replies(rules: ChannelRules) -> list[Translatable]:
    lines: list[Translatable] = []
    if rules.max_new_tokens is not None:
        lines.append(
            PluralPhrase(
                "A reply has at most {count} token.",
                "A reply has at most {count:,} tokens.",
                rules.max_new_tokens,
            )
        )
    if rules.candidates is not None:
        lines.append(
            PluralPhrase(
                "A reply with code has {count} candidate.",
                "A reply with code is the best of up to {count} candidates, by checks of the code.",
                rules.candidates,
            )
        )
    sampling = [
        JoinedPhrases([LABELS[key], f"{value:g}"], " ")
        for key, value in (
            ("temperature", rules.temperature),
            ("top_k", rules.top_k),
            ("top_p", rules.top_p),
        )
        if value is not None
    ]
    if sampling:
        lines.append(Phrase("Sampling: {values}.", values=JoinedPhrases(sampling, LIST_COMMA)))
    return lines
