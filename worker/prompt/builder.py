"""
Prompt builder: turns a conversation into token ids and trims it to the context window.

The prompt depends on the conversation alone, so the same thread always gives the same prompt:

- A reply gets the requested number of new tokens, at most half of the context window. The rest
  is the budget for the conversation. The question is never trimmed: if it exceeds the budget,
  older turns are dropped and the reply gets shorter, down to `MIN_NEW_TOKENS`. A longer question
  is refused.
- Turns are dropped whole, oldest first, in large and rare steps: the window moves only when a
  question exceeds the budget, and then until `FILL_AFTER_TRIM` of the budget is in use. The
  builder replays every question of the thread to find the current window. So over many turns the
  prompt of one question is a prefix of the next one's, and the engine's prefix cache (as in
  vLLM, or SGLang's RadixAttention) hits.
- The same step shortens each older turn above `MAX_TURN_SHARE` of the budget: its middle is
  replaced by a mark. Before the first overflow nothing is shortened.
- The window always starts at a user's turn, so no answer appears without its question.
- Consecutive turns of users become one message, because the model was trained on alternating
  roles. If several users speak, each turn starts with the speaker's name.
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
"""Tokens that remain for the reply to a long question."""

FILL_AFTER_TRIM: Final = 0.65
"""Share of the budget that is in use after turns were dropped."""

MAX_TURN_SHARE: Final = 0.25
"""Share of the budget that one older turn may use after the first overflow."""

OMISSION_MARK: Final = "\n\n[… a long part of this message is left out here …]\n\n"
"""Replaces the middle of a shortened turn."""

MAX_NAME_CHARACTERS: Final = 80
"""Longer names are cut in the prompt."""

TURN_SEPARATOR: Final = "\n\n"
"""Separates two turns of one message."""


class SystemPromptTooLongError(ValueError):
    """The system prompt leaves no room for a conversation; the operator must shorten it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    Token ids for the engine: `len(token_ids) + max_new_tokens` fits the context window.

    `dropped_turns` older turns were left out whole, `shortened_turns` lost their middle.
    """

    token_ids: tuple[int, ...]
    dropped_turns: int
    max_new_tokens: int
    shortened_turns: int = 0


class _Window(NamedTuple):
    """First turn of a prompt; turns before `shorten_before` are limited to their share."""

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
    Build the prompt for the last turn, which must be a user's.

    `positions` is the length of the context window in tokens.

    `generated_ids` are the token ids by which the model wrote earlier replies. Raises
    `QuestionTooLongError` if the last turn alone does not fit, and `SystemPromptTooLongError` if
    the system prompt uses half of the budget.
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
        thread.count_shortened_turns(window),
    )


def _count_overhead(encoder: ChatEncoder, system: str, budget: int) -> int:
    """Return the tokens that surround every conversation, including the system prompt."""
    overhead = len(
        encoder.encode_messages((Message(Speaker.USER, ""),), system)
    ) - encoder.token_cost("")
    if overhead > budget // 2:
        raise SystemPromptTooLongError(f"the system prompt takes {overhead} of {budget} tokens")
    return overhead


def _to_messages(turns: Conversation) -> list[Message]:
    """Convert turns to messages: from the first user's turn on, with names, without empty ones."""
    with_names = len({turn.name for turn in turns if turn.speaker is Speaker.USER}) > 1
    messages = [
        Message(turn.speaker, _prefix_name(turn) if with_names else turn.text)
        for turn in turns
        if turn.text.strip() or turn is turns[-1]
    ]
    return list(dropwhile(lambda message: message.speaker is not Speaker.USER, messages))


def _prefix_name(turn: Turn) -> str:
    return turn.text if turn.speaker is Speaker.ASSISTANT else f"{spell_name(turn)}: {turn.text}"


def spell_name(turn: Turn) -> str:
    """Return the name of a user's turn as the prompt spells it."""
    return " ".join((turn.name or "").split())[:MAX_NAME_CHARACTERS] or "User"


class _Thread:
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

    def prompt_cost(self, window: _Window, question: int) -> int:
        """Return the token cost of the turns in a prompt for `question`."""
        short_cost = sum(self._short_costs[window.start : window.shorten_before])
        return short_cost + sum(
            self._full_costs[max(window.start, window.shorten_before) : question + 1]
        )

    def build_messages(self, window: _Window) -> list[Message]:
        """Return the messages of the prompt with this window; roles alternate."""
        in_window = [
            *self._short_messages[window.start : window.shorten_before],
            *self._messages[max(window.start, window.shorten_before) :],
        ]
        return [
            Message(speaker, TURN_SEPARATOR.join(message.text for message in side))
            for speaker, side in groupby(in_window, key=lambda message: message.speaker)
        ]

    def count_shortened_turns(self, window: _Window) -> int:
        """Return how many turns of the prompt have lost their middle."""
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
    """Replay each question of the thread in order and return the window of the last one."""
    window = _Window(0, 0)
    for question in filter(thread.has_prompt, range(thread.last_turn + 1)):
        if thread.prompt_cost(window, question) > budget:
            window = _advance_window(thread, window, question, budget)
    return window


def _advance_window(thread: _Thread, window: _Window, question: int, budget: int) -> _Window:
    """Shorten the turns before `question` and drop the oldest until the target is reached."""
    target = (
        budget * FILL_AFTER_TRIM
        if thread.turn_cost(question) <= budget * FILL_AFTER_TRIM
        else budget
    )
    window = _Window(window.start, question)
    while window.start < question and thread.prompt_cost(window, question) > target:
        window = _Window(thread.find_question(window.start + 1), question)
    return window
