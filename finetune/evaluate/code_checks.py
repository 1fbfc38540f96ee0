"""Checks of the code in generated replies, in the worker's own child processes. Nothing is run."""

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import Final

from contract.code_languages import PLAIN_TEXT
from finetune.errors import FinetuneError
from finetune.evaluate.metrics import ReplyFigures
from worker.answering.candidates.choice import Score, score_code
from worker.answering.generated_text import GeneratedText
from worker.checks.pool import CheckPool
from worker.render import ReplyFacts, list_checkable, parse_reply
from worker.render.model import BlockFindings, CodeBlock, CutReason, Piece

MAX_TRIES: Final = 3
"""Tries at a block: a child that is late on a busy machine must not change a figure."""
MAX_STARTS: Final = 150
"""Tries of 0.4 s at most until a child has started."""
FACTS: Final = ReplyFacts(model="", finish_reason="", max_new_tokens=0)
TRIAL: Final = CodeBlock("{}", PLAIN_TEXT)


def check_replies(replies: Sequence[GeneratedText]) -> list[ReplyFigures]:
    """Return the figures of replies. Raises `FinetuneError` if no child process starts."""
    # The pool's log lines must not get into the table.
    with contextlib.redirect_stdout(sys.stderr):
        return asyncio.run(_check_replies(replies))


async def _check_replies(replies: Sequence[GeneratedText]) -> list[ReplyFigures]:
    parsed = [parse_reply(reply.text, facts=FACTS).pieces for reply in replies]
    findings: dict[CodeBlock, BlockFindings] = {}
    blocks = dict.fromkeys(block for pieces in parsed for block in list_checkable(pieces))
    if blocks:
        async with CheckPool() as pool:
            for block in blocks:
                findings |= await _check_block(pool, block)
    return [_sum_up(reply, pieces, findings) for reply, pieces in zip(replies, parsed, strict=True)]


async def _check_block(pool: CheckPool, block: CodeBlock) -> dict[CodeBlock, BlockFindings]:
    for _ in range(MAX_TRIES):
        await _wait_for_child(pool)
        if found := await pool.check_blocks([block]):
            return found
    return {}


async def _wait_for_child(pool: CheckPool) -> None:
    for _ in range(MAX_STARTS):
        if await pool.check_blocks([TRIAL]):
            return
    raise FinetuneError("no process for checks of code starts on this machine")


def _sum_up(
    reply: GeneratedText, pieces: Sequence[Piece], findings: dict[CodeBlock, BlockFindings]
) -> ReplyFigures:
    found = [findings[block] for block in list_checkable(pieces) if block in findings]
    return ReplyFigures(
        tokens=reply.new_tokens,
        has_code=any(isinstance(piece, CodeBlock) and not piece.is_table for piece in pieces),
        is_parsed=score_code(pieces, findings) >= Score.PARSES,
        safety_hints=sum(len(one.risks) for one in found),
        name_hints=sum(len(one.names) for one in found),
        has_looped=reply.cut_reason is CutReason.REPETITION,
    )
