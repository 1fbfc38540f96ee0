"""What a bad input is: where it enters, what it holds, and the one end that it must have."""

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
    What must become of an input.

    `answer`: words of the model stand in the thread. `refuse-visible`: a sentence of ours stands
    there in their place. `ignore-silently`: nothing appears. `park`: a queue entry is set aside.
    """

    ANSWER = "answer"
    REFUSE = "refuse-visible"
    IGNORE = "ignore-silently"
    QUARANTINE = "quarantine"


class ThreadInput(NamedTuple):
    """A thread as Slack gives it, oldest first, and the message in it that asks."""

    messages: Sequence[Json]
    question: Json


class QueueEntry(NamedTuple):
    """What somebody has put into Redis: an id on the list, and the hash of that job if any."""

    job_id: str | bytes
    fields: Mapping[str, str | bytes]


Content = str | Json | ThreadInput | QueueEntry


@dataclass(frozen=True, slots=True)
class Case:
    """
    One bad input. The content is what stands on the wire.

    For `text` that is a message in a channel as Slack holds it, for `envelope` the body of a
    delivery, for `output` what the model writes.
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
    """Make a case of each content; its name becomes part of the id."""
    for name, content in contents.items():
        yield Case(f"{category}/{prefix}{name}", category, entry_point, content, outcome)


def mention_bot(text: str) -> str:
    """Return a message that mentions the bot and says `text`, already in Slack's markup."""
    return f"{MENTION} {text}"


def escape_markup(text: str) -> str:
    """Return a text as Slack holds what a person typed."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fill_templates(
    texts: Mapping[str, str], templates: Mapping[str, str], placeholder: str = "{}"
) -> dict[str, str]:
    """Return each text in each carrier, which holds `sign` where the text goes."""
    return {
        f"{name}-{carrier}": form.replace(placeholder, text)
        for name, text in texts.items()
        for carrier, form in templates.items()
    }
