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
from worker.prompt.chat_encoder import NO_GENERATED_IDS, ChatEncoder, GeneratedIds
from worker.prompt.chat_format import Message

MIN_NEW_TOKENS: Final = 64
"""Tokens that a reply to a long question may still have."""

FILL_AFTER_TRIM: Final = 0.65
"""The part of the room in use after turns were left out."""

MAX_TURN_SHARE: Final = 0.25
"""The part of the room that one older turn may take once room is short."""

OMISSION_MARK: Final = "\n\n[… a long part of this message is left out here …]\n\n"
"""What stands in a shortened turn for its middle."""

MAX_NAME_CHARACTERS: Final = 80
"""Characters of a person's name that the model reads."""

TURN_SEPARATOR: Final = "\n\n"
"""What stands between two turns of one message."""


class SystemPromptTooLongError(ValueError):
    """The system prompt leaves no room for a conversation; the operator must shorten it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What the engine continues: `len(ids) + max_new_tokens` never exceeds the model's positions.

    `dropped` older turns were left out whole, `shortened` ones lost their middle.
    """

    token_ids: tuple[int, ...]
    dropped_turns: int
    max_new_tokens: int
    shortened_turns: int = 0


class _Window(NamedTuple):
    """Where a prompt starts; turns before `shorten` may take their share only."""

    start: int
    shorten_before: int


def build_prompt(
    turns: Conversation,
    *,
    encoder: ChatEncoder,
    system: str,
    positions: int,
    max_new_tokens: int,
    generated_ids: GeneratedIds = NO_GENERATED_IDS,
) -> Prompt:
    """
    Return the prompt for the last turn, which must be a person's; replies as they were `spelled`.

    Raises `QuestionTooLongError` if that turn alone does not fit, and `SystemPromptError` if the
    system prompt fills half of the room on its own.
    """
    new_tokens = min(max_new_tokens, positions // 2)
    budget = positions - new_tokens
    overhead = _count_overhead(encoder, system, budget)
    thread = _Thread(encoder, _to_messages(turns), int(budget * MAX_TURN_SHARE))
    window = _replay_questions(thread, budget - overhead)
    token_ids = encoder.encode_messages(thread.build_messages(window), system, generated_ids)
    while len(token_ids) > budget and window.start < thread.last_turn:
        window = _Window(thread.find_question(window.start + 1), window.shorten_before)
        token_ids = encoder.encode_messages(thread.build_messages(window), system, generated_ids)
    if len(token_ids) > positions - min(new_tokens, MIN_NEW_TOKENS):
        raise QuestionTooLongError
    return Prompt(
        token_ids,
        window.start,
        min(new_tokens, positions - len(token_ids)),
        thread.count_shortened(window),
    )


def _count_overhead(encoder: ChatEncoder, system: str, budget: int) -> int:
    """Return the ids that stand around every conversation, the system prompt among them."""
    overhead = len(
        encoder.encode_messages((Message(Speaker.USER, ""),), system)
    ) - encoder.token_cost("")
    if overhead > budget // 2:
        raise SystemPromptTooLongError(f"the system prompt takes {overhead} of {budget} tokens")
    return overhead


def _to_messages(turns: Conversation) -> list[Message]:
    """Return the turns as the model reads them: from a person's on, with names, no empty ones."""
    with_names = len({turn.name for turn in turns if turn.speaker is Speaker.USER}) > 1
    messages = [
        Message(turn.speaker, _prefix_name(turn) if with_names else turn.text)
        for turn in turns
        if turn.text.strip() or turn is turns[-1]
    ]
    return list(dropwhile(lambda message: message.speaker is not Speaker.USER, messages))


def _prefix_name(turn: Turn) -> str:
    if turn.speaker is Speaker.ASSISTANT:
        return turn.text
    name = " ".join((turn.name or "").split())[:MAX_NAME_CHARACTERS] or "Somebody"
    return f"{name}: {turn.text}"


class _Thread:
    """A thread's turns, in full and shortened to a share of `most` ids, and what they cost."""

    def __init__(self, encoder: ChatEncoder, messages: Sequence[Message], max_tokens: int) -> None:
        self._full_costs = [encoder.token_cost(message.text) for message in messages]
        max_tokens = max(max_tokens, 2 * encoder.token_cost(OMISSION_MARK))
        self._short_messages = [
            message if cost <= max_tokens else _shorten_message(encoder, message, max_tokens)
            for message, cost in zip(messages, self._full_costs, strict=True)
        ]
        self._short_costs = [
            cost if short is message else encoder.token_cost(short.text)
            for short, message, cost in zip(
                self._short_messages, messages, self._full_costs, strict=True
            )
        ]
        self._messages = messages
        self.last_turn = len(messages) - 1

    def has_prompt(self, n: int) -> bool:
        """Say whether a prompt was made for the turn `n`: it was answered, or is to be now."""
        return n == self.last_turn or (self._is_question(n) and not self._is_question(n + 1))

    def find_question(self, start: int) -> int:
        """Return where a person first speaks from `start` on: only there may a prompt begin."""
        return next(n for n in range(start, len(self._messages)) if self._is_question(n))

    def turn_cost(self, n: int) -> int:
        """Return what the turn `n` costs in full."""
        return self._full_costs[n]

    def prompt_cost(self, window: _Window, question: int) -> int:
        """Return what the turns of a prompt for the turn `asked` cost."""
        short_cost = sum(self._short_costs[window.start : window.shorten_before])
        return short_cost + sum(
            self._full_costs[max(window.start, window.shorten_before) : question + 1]
        )

    def build_messages(self, window: _Window) -> list[Message]:
        """Return the messages of the prompt that begins there; sides alternate."""
        in_window = [
            *self._short_messages[window.start : window.shorten_before],
            *self._messages[max(window.start, window.shorten_before) :],
        ]
        return [
            Message(speaker, TURN_SEPARATOR.join(message.text for message in side))
            for speaker, side in groupby(in_window, key=lambda message: message.speaker)
        ]

    def count_shortened(self, window: _Window) -> int:
        """Return how many turns of that prompt have lost their middle."""
        return sum(
            self._short_messages[n] is not self._messages[n]
            for n in range(window.start, window.shorten_before)
        )

    def _is_question(self, n: int) -> bool:
        return self._messages[n].speaker is Speaker.USER


def _shorten_message(encoder: ChatEncoder, message: Message, max_tokens: int) -> Message:
    budget = max_tokens - encoder.token_cost(OMISSION_MARK)
    head, tail = encoder.tokenizer.split_ends(message.text, budget * 2 // 3, budget // 3)
    return Message(message.speaker, head + OMISSION_MARK + tail)


def _replay_questions(thread: _Thread, budget: int) -> _Window:
    """Ask each question of the thread again, in order, and return where the last one begins."""
    window = _Window(0, 0)
    for question in filter(thread.has_prompt, range(thread.last_turn + 1)):
        if thread.prompt_cost(window, question) > budget:
            window = _advance_window(thread, window, question, budget)
    return window


def _advance_window(thread: _Thread, window: _Window, question: int, budget: int) -> _Window:
    """Shorten the turns before `asked` and leave out the oldest until the goal is reached."""
    target = (
        budget * FILL_AFTER_TRIM
        if thread.turn_cost(question) <= budget * FILL_AFTER_TRIM
        else budget
    )
    window = _Window(window.start, question)
    while window.start < question and thread.prompt_cost(window, question) > target:
        window = _Window(thread.find_question(window.start + 1), question)
    return window
