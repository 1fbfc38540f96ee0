"""What Slack hands out for a short time, pure: trigger ids and answering addresses."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from fakeslack.errors import SlackError
from fakeslack.state.messages import Message

TRIGGER_SECONDS = 3.0
ANSWER_SECONDS = 1_800.0
ANSWER_USES = 5


class Triggers:
    """Trigger ids: each opens one modal, within three seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = itertools.count(1)
        self._issued: dict[str, tuple[str, float]] = {}
        self._exchanged: set[str] = set()

    def issue(self, person: str) -> str:
        """Return a trigger id for what a person has just done."""
        name = f"1700000000.{next(self._numbers)}.fakeslack"
        self._issued[name] = (person, self._now())
        return name

    def exchange(self, name: str) -> str:
        """Return whose trigger it is, and use it up; raises what Slack says of a wrong one."""
        if name in self._exchanged:
            raise SlackError("exchanged_trigger_id")
        if name not in self._issued:
            raise SlackError("invalid_trigger_id")
        person, since = self._issued[name]
        if self._now() - since > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        self._exchanged.add(name)
        return person


@dataclass(slots=True)
class Answer:
    """One answering address: where and to whom, and the message it came from."""

    channel: str
    person: str
    message: Message | None
    since: float
    uses: int = 0


class Answers:
    """The `response_url`s: five uses within half an hour."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._issued: dict[str, Answer] = {}

    def issue(self, channel: str, person: str, message: Message | None) -> str:
        """Return the name of a new answering address."""
        name = f"R{len(self._issued) + 1:08d}"
        self._issued[name] = Answer(channel, person, message, self._now())
        return name

    def use(self, name: str) -> Answer:
        """Return what the address stands for; raises `expired_url` and `used_url`."""
        answer = self._issued.get(name)
        if answer is None or self._now() - answer.since > ANSWER_SECONDS:
            raise SlackError("expired_url")
        if answer.uses >= ANSWER_USES:
            raise SlackError("used_url")
        answer.uses += 1
        return answer
