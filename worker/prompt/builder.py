"""
Makes a prompt of a conversation: what the model reads, cut to its window from the oldest side.

The rules, all of them functions of the conversation alone, so that the same thread always gives
the same prompt:

- A reply gets the new tokens that were asked for, but at most half of the window; what remains is
  the room for the conversation. The question is never cut: where it needs more than the room, older
  turns go and the reply gets shorter, down to `LEAST_NEW` tokens; beyond that it is refused.
- Turns are left out whole, oldest first, in big rare steps: only when a question overflows the room
  does the beginning move, and then so far that `KEPT` of the room is in use. Each question of the
  thread is replayed to find where the beginning stands now. So the prompt of one question begins
  with the prompt of the question before it, over many turns, and what the engine has computed for
  it can be used again.
- The same step shortens each older turn that is longer than `SHARE` of the room, in its middle and
  with a mark. Before the first overflow nothing is shortened.
- The beginning is always a person's turn, so an answer never stands without its question.
- Turns of people in a row become one message, because the model was trained on alternating sides.
  Where more than one person speaks, each turn begins with the speaker's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, groupby
from typing import Final, NamedTuple

from contract.conversation import Conversation, Speaker, Turn
from worker.errors import QuestionTooLongError
from worker.prompt.chat_encoder import UNSPELLED, Dialogue, Spelled
from worker.prompt.chat_format import Message

LEAST_NEW: Final = 64
"""Tokens that a reply to a long question may still have."""

KEPT: Final = 0.65
"""The part of the room in use after turns were left out."""

SHARE: Final = 0.25
"""The part of the room that one older turn may take once room is short."""

MARK: Final = "\n\n[… a long part of this message is left out here …]\n\n"
"""What stands in a shortened turn for its middle."""

NAME: Final = 80
"""Characters of a person's name that the model reads."""

BREAK: Final = "\n\n"
"""What stands between two turns of one message."""


class SystemPromptError(ValueError):
    """The system prompt leaves no room for a conversation; the operator must shorten it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What the engine continues: `len(ids) + max_new_tokens` never exceeds the model's positions.

    `dropped` older turns were left out whole, `shortened` ones lost their middle.
    """

    ids: tuple[int, ...]
    dropped: int
    max_new_tokens: int
    shortened: int = 0


class _Beginning(NamedTuple):
    """Where a prompt starts; turns before `shorten` may take their share only."""

    start: int
    shorten: int


def build(
    turns: Conversation,
    *,
    dialogue: Dialogue,
    system: str,
    positions: int,
    max_new_tokens: int,
    spelled: Spelled = UNSPELLED,
) -> Prompt:
    """
    Return the prompt for the last turn, which must be a person's; replies as they were `spelled`.

    Raises `QuestionTooLongError` if that turn alone does not fit, and `SystemPromptError` if the
    system prompt fills half of the room on its own.
    """
    new = min(max_new_tokens, positions // 2)
    room = positions - new
    fixed = _fixed(dialogue, system, room)
    thread = _Thread(dialogue, _said(turns), int(room * SHARE))
    at = _replayed(thread, room - fixed)
    ids = dialogue.ids(thread.messages(at), system, spelled)
    while len(ids) > room and at.start < thread.last:
        at = _Beginning(thread.question(at.start + 1), at.shorten)
        ids = dialogue.ids(thread.messages(at), system, spelled)
    if len(ids) > positions - min(new, LEAST_NEW):
        raise QuestionTooLongError
    return Prompt(ids, at.start, min(new, positions - len(ids)), thread.shortened(at))


def _fixed(dialogue: Dialogue, system: str, room: int) -> int:
    """Return the ids that stand around every conversation, the system prompt among them."""
    fixed = len(dialogue.ids((Message(Speaker.USER, ""),), system)) - dialogue.cost("")
    if fixed > room // 2:
        raise SystemPromptError(f"the system prompt takes {fixed} of {room} tokens")
    return fixed


def _said(turns: Conversation) -> list[Message]:
    """Return the turns as the model reads them: from a person's on, with names, no empty ones."""
    named = len({turn.name for turn in turns if turn.speaker is Speaker.USER}) > 1
    said = [
        Message(turn.speaker, _with_name(turn) if named else turn.text)
        for turn in turns
        if turn.text.strip() or turn is turns[-1]
    ]
    return list(dropwhile(lambda message: message.speaker is not Speaker.USER, said))


def _with_name(turn: Turn) -> str:
    if turn.speaker is Speaker.ASSISTANT:
        return turn.text
    name = " ".join((turn.name or "").split())[:NAME] or "Somebody"
    return f"{name}: {turn.text}"


class _Thread:
    """A thread's turns, in full and shortened to a share of `most` ids, and what they cost."""

    def __init__(self, dialogue: Dialogue, said: Sequence[Message], most: int) -> None:
        self._full = [dialogue.cost(message.text) for message in said]
        most = max(most, 2 * dialogue.cost(MARK))
        self._short = [
            message if cost <= most else _shortened(dialogue, message, most)
            for message, cost in zip(said, self._full, strict=True)
        ]
        self._cut = [
            cost if short is message else dialogue.cost(short.text)
            for short, message, cost in zip(self._short, said, self._full, strict=True)
        ]
        self._said = said
        self.last = len(said) - 1

    def asks(self, n: int) -> bool:
        """Say whether a prompt was made for the turn `n`: it was answered, or is to be now."""
        return n == self.last or (self._is_question(n) and not self._is_question(n + 1))

    def question(self, start: int) -> int:
        """Return where a person first speaks from `start` on: only there may a prompt begin."""
        return next(n for n in range(start, len(self._said)) if self._is_question(n))

    def cost(self, n: int) -> int:
        """Return what the turn `n` costs in full."""
        return self._full[n]

    def used(self, at: _Beginning, asked: int) -> int:
        """Return what the turns of a prompt for the turn `asked` cost."""
        cut = sum(self._cut[at.start : at.shorten])
        return cut + sum(self._full[max(at.start, at.shorten) : asked + 1])

    def messages(self, at: _Beginning) -> list[Message]:
        """Return the messages of the prompt that begins there; sides alternate."""
        kept = [*self._short[at.start : at.shorten], *self._said[max(at.start, at.shorten) :]]
        return [
            Message(speaker, BREAK.join(message.text for message in side))
            for speaker, side in groupby(kept, key=lambda message: message.speaker)
        ]

    def shortened(self, at: _Beginning) -> int:
        """Return how many turns of that prompt have lost their middle."""
        return sum(self._short[n] is not self._said[n] for n in range(at.start, at.shorten))

    def _is_question(self, n: int) -> bool:
        return self._said[n].speaker is Speaker.USER


def _shortened(dialogue: Dialogue, message: Message, most: int) -> Message:
    keep = most - dialogue.cost(MARK)
    head, tail = dialogue.tokenizer.ends(message.text, keep * 2 // 3, keep // 3)
    return Message(message.speaker, head + MARK + tail)


def _replayed(thread: _Thread, room: int) -> _Beginning:
    """Ask each question of the thread again, in order, and return where the last one begins."""
    at = _Beginning(0, 0)
    for asked in filter(thread.asks, range(thread.last + 1)):
        if thread.used(at, asked) > room:
            at = _moved(thread, at, asked, room)
    return at


def _moved(thread: _Thread, at: _Beginning, asked: int, room: int) -> _Beginning:
    """Shorten the turns before `asked` and leave out the oldest until the goal is reached."""
    goal = room * KEPT if thread.cost(asked) <= room * KEPT else room
    at = _Beginning(at.start, asked)
    while at.start < asked and thread.used(at, asked) > goal:
        at = _Beginning(thread.question(at.start + 1), asked)
    return at
