"""Sentences about the rules of a channel, and the blocks that carry them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.channels_file import EXPECTATIONS
from contract.job import Streaming

Blocks = list[dict[str, Any]]

MAX_SHOWN_USERS: Final = 30
"""People of a list that are named."""

NOT_ALLOWED: Final = (
    "Only some people may ask me questions in this channel, and you aren't among them. "
    "`/starchat rules` shows who may. You can still write to me directly."
)
CHANNEL_CLOSED: Final = (
    "I answer no questions in this channel. `/starchat rules` shows its rules. "
    "You can still write to me directly."
)
GROUP_UNREADABLE: Final = (
    "Only members of a user group may ask me questions in this channel, but I can't read that "
    "group: it may be gone, or I lack a permission. So I take no questions here. "
    "Please tell a channel manager, who can change this by `/starchat settings`."
)
RULES_UNREADABLE: Final = (
    "I can't read this channel's rules right now, so I take no questions here. "
    "Please ask again in a minute. An administrator can find the reason in my log."
)
RULES_OFFERED: Final = "`/starchat rules` shows this channel's rules, and what I'm told here."
DIRECT_MESSAGE_RULES: Final = (
    "A direct message has no rules of its own. I'm told nothing here beyond my operator's own "
    "instructions."
)
NO_PROMPT: Final = "I'm told nothing in this channel beyond my operator's own instructions."
PROMPT_FOLLOWS: Final = "In this channel I'm also told this, after my operator's own instructions:"

LABELS: Final = {
    "who": "who may ask",
    "users": "list of people",
    "group": "user group",
    "prompt": "what I'm told here",
    "max_new_tokens": "length of replies",
    "temperature": "temperature",
    "top_k": "top-k",
    "top_p": "top-p",
    "without_mention": "answers without a mention",
    "streaming": "growing replies",
}
"""Name of each rule, for people."""


FORM_LABELS: Final = {
    "who": "Who may ask",
    "users": "People who may ask",
    "group": "User group that may ask",
    "prompt": "What I'm told in this channel",
    "max_new_tokens": "Length of a reply in tokens",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "without_mention": "Without a mention",
    "streaming": "Replies",
}
"""Label of each input of the modal."""
FORM_EXPECTATIONS: Final = {
    "who": "one of the choices. An input that it needs may be set by my operator",
    "users": "a choice of 1 to 100 people",
    "group": "the id of a user group, such as S0123456789",
    "prompt": "at most 2,000 characters of text, without control characters",
}
"""What inputs must be, where people read other words than operators."""
SETTINGS_LOADING: Final = "I'm reading the rules of this channel …"
NOT_A_MANAGER: Final = (
    "Only the person who created this channel, owners and administrators of the workspace, and my "
    "operator's administrators can change its rules. `/starchat rules` shows them."
)
MANAGER_UNKNOWN: Final = (
    "Slack didn't tell me whether you may change the rules of this channel, so nothing has "
    "changed. Please try again in a minute."
)
RULES_UNAVAILABLE: Final = (
    "I can't reach my database right now, so nothing has changed. Please try again in a minute."
)
SAVE_FAILED: Final = (
    "I couldn't reach my database. Press *Save* again in a minute: what you typed is still here, "
    "and it can't be saved twice."
)
STORED_UNREADABLE: Final = (
    "The stored rules of this channel are from a newer version of me, or damaged. No one may ask "
    "here until my operator has repaired that."
)
FORM_UNREADABLE: Final = (
    "I couldn't read this form. Please close it, and open it again by `/starchat settings`."
)
SETTINGS_EXPIRED: Final = (
    "I couldn't open the form in time. Please write `/starchat settings` once more."
)
GROUP_NOT_FOUND: Final = (
    "I can't read this user group: it is gone or disabled, or I lack the scope usergroups:read."
)
GROUP_NOT_CHECKED: Final = "Slack didn't show me this user group in time. Please save once more."
NOTHING_TO_UNDO: Final = "There's no change of this channel's rules left to take back."
ALREADY_DONE: Final = "That was already done. This channel's rules haven't changed again."
RULES_SAVED: Final = (
    "I changed this channel's rules: {names}. `/starchat settings undo` takes it back."
)
CHANGE_UNDONE: Final = "I took the last change of this channel's rules back: {names}."


def describe_error(key: str) -> str:
    """Tell what an input of the form must be."""
    return f"It must be {FORM_EXPECTATIONS.get(key) or EXPECTATIONS[key]}."


def describe_conflict(user: str, rules: Iterable[str], current: ChannelRules) -> str:
    """Tell that the rules were changed while a form was open, and what they are now."""
    lines = describe_rules(current).text.split("\n")[1:]
    changed = f"<@{user}> has changed these rules since you opened the form: {join_labels(rules)}."
    return "\n".join(
        [f"{changed} You see what you typed; *Save* replaces these present rules:", *lines]
    )


def context_block(text: str) -> dict[str, Any]:
    """Return a text as small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": True}]}


class Words(NamedTuple):
    """A text for one person, and the blocks below it."""

    text: str
    more_blocks: Sequence[dict[str, Any]] = ()


def describe_rules(rules: ChannelRules, locked: Iterable[str] = ()) -> Words:
    """Describe a channel's rules, its prompt literally; `locked` are those of the file."""
    lines = [_describe_who(rules), *_describe_replies(rules)]
    if rules.without_mention:
        lines.append("I answer each new message of a person here, without a mention too.")
    if rules.streaming is Streaming.OFF:
        lines.append("A reply appears when it is complete.")
    if rules.streaming is Streaming.EDITS:
        lines.append("A reply appears while I write it.")
    if locked:
        names = join_labels(locked)
        lines.append(f"My operator has set these in `channels.toml`: {names}.")
    title = "*This channel's rules*"
    if rules == DEFAULT_RULES:
        title = "*This channel has no rules of its own*"
    lines.append(PROMPT_FOLLOWS if rules.prompt else NO_PROMPT)
    text = "\n".join([title, *(f"• {line}" for line in lines)])
    return Words(text, prompt_blocks(rules.prompt))


def prompt_blocks(prompt: str) -> Blocks:
    """Return a prompt as preformatted text, which shows it literally; no block for an empty one."""
    if not prompt:
        return []
    element = {
        "type": "rich_text_preformatted",
        "elements": [{"type": "text", "text": prompt}],
    }
    return [{"type": "rich_text", "elements": [element]}]


def join_labels(keys: Iterable[str]) -> str:
    """Return the names of rules for people, in the order of the rules."""
    wanted = set(keys)
    return ", ".join(label for key, label in LABELS.items() if key in wanted)


def _describe_who(rules: ChannelRules) -> str:
    match rules.who:
        case WhoMayAsk.EVERYONE:
            return "Everyone here may ask me."
        case WhoMayAsk.LIST:
            people = ", ".join(f"<@{user}>" for user in rules.users[:MAX_SHOWN_USERS])
            others = len(rules.users) - MAX_SHOWN_USERS
            return f"Only these may ask me: {people}{f' and {others} more' if others > 0 else ''}."
        case WhoMayAsk.GROUP:
            return f"Only members of <!subteam^{rules.group}> may ask me."
        case _:
            return "I answer no questions here."


def _describe_replies(rules: ChannelRules) -> list[str]:
    lines = []
    if rules.max_new_tokens is not None:
        lines.append(f"A reply has at most {rules.max_new_tokens:,} tokens.")
    sampling = [
        f"{label} {value:g}"
        for label, value in (
            ("temperature", rules.temperature),
            ("top-k", rules.top_k),
            ("top-p", rules.top_p),
        )
        if value is not None
    ]
    if sampling:
        lines.append(f"Sampling: {', '.join(sampling)}.")
    return lines
