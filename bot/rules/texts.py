"""Sentences about the rules of a channel, and the blocks that carry them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from contract.job import Streaming

Blocks = list[dict[str, Any]]

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
            people = ", ".join(f"<@{user}>" for user in rules.users)
            return f"Only these may ask me: {people}."
        case WhoMayAsk.GROUP:
            return f"Only members of <!subteam^{rules.group}> may ask me."
        case WhoMayAsk.NO_ONE:
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
