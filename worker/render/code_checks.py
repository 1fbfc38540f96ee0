"""Code checks of a reply: which blocks a parser may read, and the verdicts that they get."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from contract.code_verdicts import MAX_NUMBER, CodeVerdict, VerdictKind
from worker.render.model import BlockFindings, CodeBlock, Piece
from worker.render.name_hints import NameHint
from worker.render.safety_hints import SafetyHint


def list_checkable(pieces: Iterable[Piece]) -> list[CodeBlock]:
    """Return the code blocks that a parser may read: no drawn tables, and none without an end."""
    return [
        piece
        for piece in pieces
        if isinstance(piece, CodeBlock) and not piece.is_table and not piece.unclosed
    ]


def attach_findings(
    pieces: Iterable[Piece], findings: Mapping[CodeBlock, BlockFindings]
) -> list[Piece]:
    """Return the pieces, each code block with what was found; *not checked* if that is nothing."""
    return [
        _attach_to_block(piece, findings.get(piece))
        if isinstance(piece, CodeBlock) and not piece.is_table
        else piece
        for piece in pieces
    ]


def count_verdicts(pieces: Iterable[Piece]) -> tuple[CodeVerdict, ...]:
    """Return the verdicts on a message's code blocks, equal ones as one."""
    counts = Counter(
        piece.verdict
        for piece in pieces
        if isinstance(piece, CodeBlock) and piece.verdict is not None
    )
    return tuple(
        verdict.model_copy(update={"blocks": min(MAX_NUMBER, blocks)})
        for verdict, blocks in counts.items()
    )


def list_hints(pieces: Iterable[Piece]) -> list[NameHint | SafetyHint]:
    """Return the hints about a message's code, in order."""
    return [hint for piece in pieces if isinstance(piece, CodeBlock) for hint in piece.hints]


def _attach_to_block(code: CodeBlock, found: BlockFindings | None) -> CodeBlock:
    if found is None:
        return replace(code, verdict=_create_verdict(code))
    return replace(code, verdict=found.verdict, hints=(*found.risks, *found.names))


def _create_verdict(code: CodeBlock) -> CodeVerdict:
    kind = VerdictKind.UNFINISHED if code.unclosed else VerdictKind.UNCHECKED
    return CodeVerdict(kind=kind, code=code.language.name)
