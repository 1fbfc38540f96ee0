"""
Votes on replies: the presses of a person, and the vote that follows from them.

The vote is a function of the set of presses, in the order of Slack's times. Presses that arrive
twice, or in another order, therefore lead to the same vote.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from bot.messages.events import Timestamp

DOUBLE_CLICK_SECONDS: Final = 2.0
"""A press that follows an equal one within so many seconds is no second press."""
MAX_PRESSES: Final = 32
"""Presses that are kept of one person on one reply; older ones are summed up."""


class Mark(StrEnum):
    """What a person can say of a reply: two opinions, and that its code ran."""

    UP = "up"
    DOWN = "down"
    RAN = "ran"


class Reason(StrEnum):
    """Reason of a 👎."""

    BROKEN = "broken"
    WRONG = "wrong"
    UNSAFE = "unsafe"
    INVENTED = "invented"
    OTHER = "other"


class PressKind(StrEnum):
    """Effect of a press: a button toggles its mark, a reaction sets or clears it."""

    TOGGLE = "toggle"
    SET = "set"
    CLEAR = "clear"
    REASON = "reason"


class Press(BaseModel):
    """One press at Slack's time `ts`. A reason has the `ts` of the 👎 that it explains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ts: Timestamp
    kind: PressKind
    mark: Mark = Mark.DOWN
    reason: Reason | None = None


_PRESSES: Final = TypeAdapter(tuple[Press, ...])


@dataclass(frozen=True, slots=True)
class Vote:
    """Vote of one person on one reply."""

    opinion: Mark | None = None
    reason: Reason | None = None
    ran: bool = False


@dataclass(slots=True)
class _Register:
    """A mark that presses change; `sources` are the presses that gave it its value."""

    value: Mark | None = None
    toggled: Mark | None = None
    toggled_at: float = 0.0
    sources: set[str] = field(default_factory=set)

    def apply_press(self, press: Press) -> None:
        if press.kind is PressKind.TOGGLE:
            elapsed = float(press.ts) - self.toggled_at
            is_double = self.toggled is press.mark and elapsed <= DOUBLE_CLICK_SECONDS
            self.toggled, self.toggled_at = press.mark, float(press.ts)
            if is_double:
                self.sources.add(press.ts)
            else:
                self._set_value(None if self.value is press.mark else press.mark, press.ts)
        elif press.kind is PressKind.SET and self.value is not press.mark:
            self._set_value(press.mark, press.ts)
        elif press.kind is PressKind.CLEAR and self.value is press.mark:
            self._set_value(None, press.ts)

    def _set_value(self, value: Mark | None, ts: str) -> None:
        self.value, self.sources = value, {ts}


def count_vote(presses: Iterable[Press]) -> Vote:
    """Return the vote that follows from the presses of one person on one reply."""
    opinion, ran, reason = _Register(), _Register(), None
    for press in _sort_presses(presses):
        if press.kind is PressKind.REASON:
            is_explained = opinion.value is Mark.DOWN and press.ts in opinion.sources
            reason = press.reason if is_explained else reason
            continue
        before = opinion.value
        (ran if press.mark is Mark.RAN else opinion).apply_press(press)
        if opinion.value is not before:
            reason = None
    return Vote(opinion.value, reason, ran.value is not None)


def sum_up_presses(presses: Iterable[Press]) -> tuple[Press, ...]:
    """Return the presses in order; the older half as their result if there are too many."""
    ordered = _sort_presses(presses)
    if len(ordered) <= MAX_PRESSES:
        return tuple(ordered)
    older, newer = ordered[: -MAX_PRESSES // 2], ordered[-MAX_PRESSES // 2 :]
    ts, vote = older[-1].ts, count_vote(older)
    held = {vote.opinion} | ({Mark.RAN} if vote.ran else set())
    base = [
        Press(ts=ts, kind=PressKind.SET if mark in held else PressKind.CLEAR, mark=mark)
        for mark in Mark
    ]
    if vote.reason is not None:
        base.append(Press(ts=ts, kind=PressKind.REASON, reason=vote.reason))
    return tuple(_sort_presses([*base, *newer]))


def encode_presses(presses: Iterable[Press]) -> str:
    """Serialize presses as JSON in ASCII."""
    return _PRESSES.dump_json(tuple(presses), exclude_defaults=True).decode("ascii")


def decode_presses(text: str) -> tuple[Press, ...]:
    """Parse what `encode_presses` returned. Raises `ValueError`, which quotes nothing."""
    try:
        return _PRESSES.validate_json(text)
    except ValidationError:
        raise ValueError("not presses") from None


def _sort_presses(presses: Iterable[Press]) -> list[Press]:
    """Return different presses by time; a reason follows the press of its time."""
    return sorted(
        set(presses),
        key=lambda press: (
            float(press.ts),
            press.kind is PressKind.REASON,
            press.kind is not PressKind.CLEAR,
            press.mark,
            press.kind,
            press.reason or "",
        ),
    )
