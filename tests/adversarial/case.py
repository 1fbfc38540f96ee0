"""An adversarial input: its entry point, its content and its expected outcome."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

MENTION: Final = "<@U0STARCHAT>"


class EntryPoint(StrEnum):
    """Where an input enters the product."""

    TEXT = "text"
    ENVELOPE = "envelope"
    QUEUE = "queue"
    OUTPUT = "output"
    THREAD = "thread"


class CaseOutcome(StrEnum):
    """
    The outcome of an input.

    `answer`: the thread shows a reply of the model. `refuse-visible`: it shows a fixed sentence.
    `ignore-silently`: it shows nothing. `quarantine`: a queue entry leaves the queue.
    """

    ANSWER = "answer"
    REFUSE = "refuse-visible"
    IGNORE = "ignore-silently"
    QUARANTINE = "quarantine"


class ThreadInput(NamedTuple):
    """A thread as Slack returns it, oldest message first, and the message with the question."""

    messages: Sequence[Json]
    question: Json


class QueueEntry(NamedTuple):
    """A forged queue entry in Redis: a job id, and the fields of that job's hash, if any."""

    job_id: str | bytes
    fields: Mapping[str, str | bytes]


Content = str | Json | ThreadInput | QueueEntry


@dataclass(frozen=True, slots=True)
class Case:
    """
    One adversarial input, with its content as it appears on the wire.

    The content is a message in a channel for `text`, the body of a delivery for `envelope`, and the
    generated text for `output`.
    """

    id: str
    category: str
    entry_point: EntryPoint
    content: Content
    outcome: CaseOutcome


def build_cases(
    category: str,
    entry_point: EntryPoint,
    outcome: CaseOutcome,
    contents: Mapping[str, Any],
    prefix: str = "",
) -> Iterator[Case]:
    """Build a case from each content; its name becomes part of the id."""
    for name, content in contents.items():
        yield Case(f"{category}/{prefix}{name}", category, entry_point, content, outcome)


def mention_bot(text: str) -> str:
    """Return a message that mentions the bot, followed by `text` in Slack's markup."""
    return f"{MENTION} {text}"


def escape_markup(text: str) -> str:
    """Return a text as Slack stores what a person types: with `&`, `<` and `>` escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fill_templates(
    texts: Mapping[str, str], templates: Mapping[str, str], placeholder: str = "{}"
) -> dict[str, str]:
    """Insert each text into each template, in place of `placeholder`."""
    return {
        f"{name}-{label}": template.replace(placeholder, text)
        for name, text in texts.items()
        for label, template in templates.items()
    }
