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
- Files precede the question that shows them: see `file_turns`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from typing import Final, NamedTuple

from contract.conversation import Conversation, Speaker, Turn
from worker.errors import QuestionTooLongError
from worker.prompt.chat_encoder import NO_GENERATED_IDS, ChatEncoder, GeneratedIds
from worker.prompt.chat_format import Message
from worker.prompt.context_window import Thread, Window, replay_questions
from worker.prompt.file_excerpts import FileExcerpt
from worker.prompt.file_turns import NO_FILES, FileTexts, FileTurns, insert_files
from worker.prompt.system_prompt import build_system_prompt

MIN_NEW_TOKENS: Final = 64
"""Tokens that remain for the reply to a long question."""

MAX_TURN_SHARE: Final = 0.25
"""Share of the budget that one older turn may use after the first overflow."""

MAX_NAME_CHARACTERS: Final = 80
"""Longer names are cut in the prompt."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    Token ids for the engine: `len(token_ids) + max_new_tokens` fits the context window.

    `dropped_turns` older turns were left out whole, `shortened_turns` lost their middle. `excerpts`
    are what is shown of each file that was read, by Slack's id. `is_rule_shortened` is whether the
    channel's own prompt lost its end.
    """

    token_ids: tuple[int, ...]
    dropped_turns: int
    max_new_tokens: int
    shortened_turns: int = 0
    excerpts: Mapping[str, FileExcerpt] = field(default_factory=dict)
    is_rule_shortened: bool = False


class PromptSources(NamedTuple):
    """
    Sources of a prompt besides the texts of its turns.

    `generated_ids` are the token ids by which the model wrote earlier replies. `channel_prompt`
    follows the system prompt.
    """

    generated_ids: GeneratedIds = NO_GENERATED_IDS
    file_texts: FileTexts = NO_FILES
    channel_prompt: str = ""


NO_SOURCES: Final = PromptSources()


def build_prompt(
    turns: Conversation,
    *,
    encoder: ChatEncoder,
    system: str,
    positions: int,
    max_new_tokens: int,
    sources: PromptSources = NO_SOURCES,
) -> Prompt:
    """
    Build the prompt for the last turn, which must be a user's.

    `positions` is the length of the context window in tokens. Raises
    `QuestionTooLongError` if the last turn alone does not fit, and `SystemPromptTooLongError` if
    the system prompt uses half of the budget.
    """
    new_tokens = min(max_new_tokens, positions // 2)
    budget = positions - new_tokens
    prompt = build_system_prompt(encoder, system, sources.channel_prompt, budget)
    room = budget - prompt.overhead
    files = insert_files(_select_turns(turns), sources.file_texts, encoder, room)
    thread = Thread(
        encoder,
        _to_messages(files.turns, with_names=_has_several_names(turns)),
        int(budget * MAX_TURN_SHARE),
    )
    window = replay_questions(thread, room)
    token_ids = encoder.encode_messages(
        thread.build_messages(window), prompt.text, sources.generated_ids
    )
    while len(token_ids) > budget and window.start < thread.last_turn:
        window = Window(thread.find_question(window.start + 1), window.shorten_before)
        token_ids = encoder.encode_messages(
            thread.build_messages(window), prompt.text, sources.generated_ids
        )
    if len(token_ids) > positions - min(new_tokens, MIN_NEW_TOKENS):
        raise QuestionTooLongError
    return Prompt(
        token_ids,
        window.start,
        min(new_tokens, positions - len(token_ids)),
        thread.count_shortened_turns(window),
        _describe_excerpts(files, thread, window),
        prompt.is_shortened,
    )


def _select_turns(turns: Conversation) -> list[Turn]:
    """Return the turns from the first user's on, without empty ones."""
    kept = [turn for turn in turns if turn.text.strip() or turn.files or turn is turns[-1]]
    return list(dropwhile(lambda turn: turn.speaker is not Speaker.USER, kept))


def _has_several_names(turns: Conversation) -> bool:
    return len({turn.name for turn in turns if turn.speaker is Speaker.USER}) > 1


def _to_messages(turns: Sequence[Turn], *, with_names: bool) -> list[Message]:
    return [
        Message(turn.speaker, _prefix_name(turn) if with_names else turn.text) for turn in turns
    ]


def _describe_excerpts(files: FileTurns, thread: Thread, window: Window) -> dict[str, FileExcerpt]:
    """Return what a prompt shows of each file: nothing of it if its turn was dropped."""
    return {
        name: FileExcerpt(total_lines=excerpt.total_lines)
        if turn < window.start
        else replace(excerpt, is_shortened=thread.has_gap(turn, window))
        for name, (turn, excerpt) in files.excerpts.items()
    }


def _prefix_name(turn: Turn) -> str:
    return turn.text if turn.speaker is Speaker.ASSISTANT else f"{spell_name(turn)}: {turn.text}"


def spell_name(turn: Turn) -> str:
    """Return the name of a user's turn as the prompt spells it."""
    return " ".join((turn.name or "").split())[:MAX_NAME_CHARACTERS] or "User"
