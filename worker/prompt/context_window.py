"""Context window over the turns of a thread: which are in a prompt, and which are shortened."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from contract.conversation import Speaker
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message

FILL_AFTER_TRIM: Final = 0.65
"""Share of the budget that is in use after turns were dropped."""

OMISSION_MARK: Final = "\n\n[… a long part of this message is left out here …]\n\n"
"""Replaces the middle of a shortened turn."""

TURN_SEPARATOR: Final = "\n\n"
"""Separates two turns of one message."""


class Window(NamedTuple):
    """First turn of a prompt; turns before `shorten_before` are limited to their share."""

    start: int
    shorten_before: int


class Thread:
    """The turns of a thread, in full and shortened to `max_tokens`, with their token costs."""

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
        """Whether a prompt was built for the turn `n`: it was answered, or is the question."""
        return n == self.last_turn or (self._is_question(n) and not self._is_question(n + 1))

    def find_question(self, start: int) -> int:
        """Return the first user's turn from `start` on: a prompt may start only there."""
        return next(n for n in range(start, len(self._messages)) if self._is_question(n))

    def turn_cost(self, n: int) -> int:
        """Return the token cost of the turn `n` in full."""
        return self._full_costs[n]

    def prompt_cost(self, window: Window, question: int) -> int:
        """Return the token cost of the turns in a prompt for `question`."""
        short_cost = sum(self._short_costs[window.start : window.shorten_before])
        return short_cost + sum(
            self._full_costs[max(window.start, window.shorten_before) : question + 1]
        )

    def build_messages(self, window: Window) -> list[Message]:
        """Return the messages of the prompt with this window; roles alternate."""
        in_window = [
            *self._short_messages[window.start : window.shorten_before],
            *self._messages[max(window.start, window.shorten_before) :],
        ]
        return [
            Message(speaker, TURN_SEPARATOR.join(message.text for message in side))
            for speaker, side in groupby(in_window, key=lambda message: message.speaker)
        ]

    def count_shortened_turns(self, window: Window) -> int:
        """Return how many turns of the prompt have lost their middle."""
        return sum(self.has_gap(n, window) for n in range(window.start, window.shorten_before))

    def has_gap(self, n: int, window: Window) -> bool:
        """Whether the turn `n` has lost its middle in a prompt with this window."""
        return n < window.shorten_before and self._short_messages[n] is not self._messages[n]

    def _is_question(self, n: int) -> bool:
        return self._messages[n].speaker is Speaker.USER


def _shorten_message(encoder: ChatEncoder, message: Message, max_tokens: int) -> Message:
    budget = max_tokens - encoder.token_cost(OMISSION_MARK)
    head, tail = encoder.tokenizer.split_ends(message.text, budget * 2 // 3, budget // 3)
    return Message(message.speaker, head + OMISSION_MARK + tail)


def replay_questions(thread: Thread, budget: int) -> Window:
    """Replay each question of the thread in order and return the window of the last one."""
    window = Window(0, 0)
    for question in filter(thread.has_prompt, range(thread.last_turn + 1)):
        if thread.prompt_cost(window, question) > budget:
            window = _advance_window(thread, window, question, budget)
    return window


def _advance_window(thread: Thread, window: Window, question: int, budget: int) -> Window:
    """Shorten the turns before `question` and drop the oldest until the target is reached."""
    target = (
        budget * FILL_AFTER_TRIM
        if thread.turn_cost(question) <= budget * FILL_AFTER_TRIM
        else budget
    )
    window = Window(window.start, question)
    while window.start < question and thread.prompt_cost(window, question) > target:
        window = Window(thread.find_question(window.start + 1), question)
    return window
