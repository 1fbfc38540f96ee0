"""Reworks: what work on a finished reply changes in its publication. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from contract.answers import Answer
from contract.code_verdicts import MAX_VERDICTS
from contract.job import Job
from contract.reply_controls import (
    Block,
    ReplyAddress,
    build_controls,
    build_pointer_controls,
)
from contract.reply_controls import ReplyVersions as ShownVersions
from contract.rework import ReworkKind
from worker.answering.answer_cache import ReplyVersions, StoreMode
from worker.answering.publishing.finished_answer import FinishedAnswer
from worker.render import ComposedReply, Message, Part, texts

FRESH_TEXTS: Final = frozenset({ReworkKind.REGENERATE, ReworkKind.ANYWAY})
"""Work that generates a text of which the reply shows nothing yet."""
KEEPING_TEXT: Final = frozenset(ReworkKind) - FRESH_TEXTS
"""Work during which the reply stays readable; for the other, it becomes a placeholder."""
STORED_VERSIONS: Final = frozenset({ReworkKind.PREVIOUS, ReworkKind.ANOTHER, ReworkKind.SHOW})
"""Work that shows a version which Redis keeps, and generates nothing."""


def select_version(kind: ReworkKind | None, versions: ReplyVersions) -> Answer | None:
    """Return the stored version that the work shows, if it is kept."""
    if kind is ReworkKind.SHOW:
        return versions.present
    if kind is ReworkKind.ANOTHER:
        return versions.present and versions.present.show_next()
    return versions.previous


def select_mode(
    kind: ReworkKind | None, answer: FinishedAnswer, present: Answer | None
) -> StoreMode:
    """Return what happens to the version before when an answer is stored."""
    if kind in {None, ReworkKind.ANYWAY}:
        # A reply that only pointed to an earlier answer is no version to go back to.
        return StoreMode.REPLACE
    is_same_text = present is not None and present.text == answer.text
    if kind in {ReworkKind.ANOTHER, ReworkKind.CONTINUE, ReworkKind.SHOW} or (
        kind is ReworkKind.REPLAY and is_same_text
    ):
        return StoreMode.EXTEND
    return StoreMode.SHIFT


def note_replay(
    kind: ReworkKind | None, answer: FinishedAnswer, present: Answer | None
) -> FinishedAnswer:
    """Return an answer with a note whether its replay gave the same text."""
    if kind is not ReworkKind.REPLAY or present is None:
        return answer
    is_same_text = present.text == answer.text
    note = texts.REPLAYED_SAME if is_same_text else texts.REPLAYED_DIFFERENT
    return replace(answer, note=note.translate(answer.facts.language))


def add_note(parts: Sequence[Part], note: str) -> tuple[Part, ...]:
    """Return the parts of a reply with a note below the first of them."""
    first, *others = parts
    if not note or not isinstance(first, Message):
        return tuple(parts)
    return Message(first.text, [*first.blocks, *texts.context_blocks(note)]), *others


def describe_checks(answer: FinishedAnswer, composed: ComposedReply) -> FinishedAnswer:
    """Return an answer whose details have the results of the checks of its code."""
    verdicts = composed.verdicts
    found = {
        "verdicts": verdicts[:MAX_VERDICTS],
        "verdicts_left_out": max(0, len(verdicts) - MAX_VERDICTS),
        "hints": composed.num_hints,
        "hidden_secrets": answer.facts.hidden_secrets,
    }
    return replace(answer, details=answer.details.model_copy(update=found))


def collect_controls(
    job: Job,
    answer: FinishedAnswer,
    composed: ComposedReply,
    mode: StoreMode,
    versions: ReplyVersions,
) -> tuple[Block, ...]:
    """Return the controls of a reply that is about to be stored in this mode."""
    details = describe_checks(answer, composed).details
    address, is_direct = ReplyAddress.from_job(job), job.thread.channel.startswith("D")
    if answer.is_pointer:
        return build_pointer_controls(
            address, details.reply_id, language=job.language, is_direct=is_direct
        )
    present, previous = versions
    is_stored = present is not None and present.reply_id == details.reply_id
    before = present if mode is StoreMode.SHIFT and not is_stored else previous
    buttons = ShownVersions(
        is_cut=answer.is_cut,
        has_previous=mode is not StoreMode.REPLACE and before is not None,
        has_others=bool(answer.answer.others),
        is_covered=composed.is_covered,
    )
    return build_controls(
        address,
        details,
        buttons,
        language=job.language,
        is_direct=is_direct,
        has_code=bool(composed.verdicts) and not composed.is_covered,
    )
