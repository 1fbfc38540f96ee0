"""
Files in a conversation: each file's text precedes the question with which a prompt first shows it.

Such a place never changes, so that the next prompt of the thread still starts with this one. The
question and its files are never trimmed, and share what the context window leaves. Older turns of
the thread keep up to `THREAD_SHARE` of that. Small files are shown whole before long ones are.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from contract.attached_files import FileReference
from contract.conversation import Speaker, Turn
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.file_excerpts import (
    FileExcerpt,
    FileText,
    cut_excerpt,
    find_fence,
    name_file,
    show_content,
    show_preview,
)

THREAD_SHARE: Final = 0.35
"""Share of the tokens behind a question that older turns keep, if they need them."""
MIN_EXCERPT_TOKENS: Final = 64
"""A file that gets fewer tokens is only named."""
FRAME_TOKENS: Final = 8
"""Tokens by which a text may exceed the sum of its parts."""

FileTexts = Mapping[str, FileText]
"""Texts of files by Slack's id."""
NO_FILES: Final[FileTexts] = MappingProxyType({})


@dataclass(slots=True)
class FileTurns:
    """Turns with the texts of their files, and each file's excerpt with the index of its turn."""

    turns: list[Turn]
    excerpts: dict[str, tuple[int, FileExcerpt]] = field(default_factory=dict)


def insert_files(
    turns: Sequence[Turn], texts: FileTexts, encoder: ChatEncoder, budget: int
) -> FileTurns:
    """Return the turns with their files; `budget` is the tokens of a conversation in a prompt."""
    inserted = FileTurns([_with_text(turn, _name_files(turn, texts)) for turn in turns])
    if not texts:
        return inserted
    costs = [encoder.token_cost(turn.text) for turn in inserted.turns]
    start = 0
    for question in _find_questions(turns):
        files = {
            reference.id: reference
            for turn in reversed(turns[start : question + 1])
            for reference in turn.files
            if reference.id in texts and reference.id not in inserted.excerpts
        }
        left = budget - costs[question]
        earlier = min(sum(costs[:question]), int(left * THREAD_SHARE))
        excerpts = _cut_excerpts(list(files.values()), texts, encoder, left - earlier)
        inserted.excerpts |= {name: (question, excerpt) for name, excerpt in excerpts.items()}
        text = _show_files(turns[question], files, excerpts, texts)
        inserted.turns[question] = _with_text(turns[question], text)
        costs[question] = encoder.token_cost(text) if files else costs[question]
        start = question + 1
    return inserted


def _show_files(
    turn: Turn,
    files: Mapping[str, FileReference],
    excerpts: Mapping[str, FileExcerpt],
    texts: FileTexts,
) -> str:
    """Return the text of a question after the files that are shown with it."""
    shown = {name for name, excerpt in excerpts.items() if excerpt.is_visible}
    contents = [show_content(files[name], excerpts[name].text) for name in files if name in shown]
    return "\n\n".join(filter(None, [*contents, _name_files(turn, texts, shown)]))


def _find_questions(turns: Sequence[Turn]) -> Iterator[int]:
    """Yield the turns for which a prompt was built: the last of each run of people's turns."""
    for n, turn in enumerate(turns):
        is_last = n + 1 == len(turns) or turns[n + 1].speaker is not Speaker.USER
        if turn.speaker is Speaker.USER and is_last:
            yield n


def _name_files(turn: Turn, texts: FileTexts, shown: Collection[str] = ()) -> str:
    """Return a turn's text after the names of files not `shown`, and previews of unread ones."""
    names = [
        name_file(reference) if reference.id in texts else show_preview(reference)
        for reference in turn.files
        if reference.id not in shown
    ]
    return "\n\n".join(filter(None, ["\n".join(names), turn.text]))


def _with_text(turn: Turn, text: str) -> Turn:
    return turn if text == turn.text else turn.model_copy(update={"text": text})


def _cut_excerpts(
    files: Sequence[FileReference], texts: FileTexts, encoder: ChatEncoder, budget: int
) -> dict[str, FileExcerpt]:
    """Return an excerpt of each file, within a number of tokens for all."""
    tokenizer = encoder.tokenizer
    frames = [
        len(tokenizer.encode(show_content(reference, find_fence(texts[reference.id].text))))
        + FRAME_TOKENS
        for reference in files
    ]
    costs = [
        frame + tokenizer.measure_head(texts[reference.id].text, max(0, budget))[0]
        for frame, reference in zip(frames, files, strict=True)
    ]
    shares = share_fairly(costs, budget)
    return {
        reference.id: cut_excerpt(tokenizer, texts[reference.id], share - frame)
        if share >= min(cost, MIN_EXCERPT_TOKENS)
        else FileExcerpt()
        for reference, frame, cost, share in zip(files, frames, costs, shares, strict=True)
    }


def share_fairly(costs: Sequence[int], budget: int) -> list[int]:
    """Share a budget so that the smallest costs are met first, and the rest get equal shares."""
    shares = [0] * len(costs)
    remaining = max(0, budget)
    by_cost = sorted(range(len(costs)), key=costs.__getitem__)
    for position, index in enumerate(by_cost):
        shares[index] = min(costs[index], remaining // (len(costs) - position))
        remaining -= shares[index]
    return shares
