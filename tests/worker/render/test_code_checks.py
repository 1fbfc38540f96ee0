"""Verdicts in a reply: which blocks get one, and the line that they make."""

import pytest

from contract.code_languages import _LANGUAGE_BY_TAG, PLAIN_TEXT, find_language
from contract.code_verdicts import REASONS, CodeVerdict, VerdictKind, describe_verdicts
from worker.render import code_checks
from worker.render.model import BlockFindings, CodeBlock, Piece, Prose

PYTHON = find_language("python")


def summarize(pieces: list[Piece]) -> str:
    """Return the verdicts on blocks as a line."""
    return str(describe_verdicts(code_checks.count_verdicts(pieces)))


def test_block_without_an_end_is_not_checked() -> None:
    """A block that the token limit cut off says nothing about the whole."""
    block = CodeBlock("def f(", PYTHON, unclosed=True)

    assert code_checks.list_checkable([block]) == []
    assert summarize(code_checks.attach_findings([block], {})) == "python: unfinished, not checked"


def test_only_code_has_a_verdict() -> None:
    """A drawn table and prose have none; a block without a verdict was not checked."""
    block, table = CodeBlock("x", PYTHON), CodeBlock("x", is_table=True)
    parses = BlockFindings(verdict=CodeVerdict(kind=VerdictKind.PARSES, code="python 3.11"))
    pieces: list[Piece] = [Prose(()), table, block, CodeBlock("y")]

    assert code_checks.list_checkable(pieces) == [block, CodeBlock("y")]
    attached = code_checks.attach_findings(pieces, {block: parses, table: parses})
    assert summarize(attached) == "python 3.11: parses · code: not checked"


def test_many_verdicts_make_one_short_line() -> None:
    """Equal verdicts are counted; beyond eight kinds only their number is shown."""
    broken = CodeVerdict(kind=VerdictKind.BROKEN, code="python")
    parses = broken.model_copy(update={"kind": VerdictKind.PARSES})
    same: list[Piece] = [CodeBlock("x", PYTHON, verdict=parses)] * 3
    kinds: list[Piece] = [
        CodeBlock("x", PYTHON, verdict=broken.model_copy(update={"line": n})) for n in range(20)
    ]

    assert summarize(same) == "python: parses ×3"
    assert summarize(kinds).startswith("python: does not parse · python: does not parse (line 1)")
    assert summarize(kinds).endswith(" · 12 more")


@pytest.mark.parametrize(
    ("why", "said"),
    [("open-paren", " (line 7: '(' was never closed)"), ("of-a-later-bot", " (line 7)")],
)
def test_reason_is_one_of_ours(why: str, said: str) -> None:
    """A parser's own message may quote the code, so only its name travels."""
    verdict = CodeVerdict(kind=VerdictKind.BROKEN, code="python", line=7, why=why[:12])

    assert str(verdict.describe()) == f"python: does not parse{said}"
    assert all(len(str(reason)) <= 40 for reason in REASONS.values())


def test_each_known_language_has_a_name_that_a_verdict_can_hold() -> None:
    """A name that is too long would end a reply."""
    for language in {PLAIN_TEXT, *_LANGUAGE_BY_TAG.values()}:
        [block] = code_checks.attach_findings([CodeBlock("x", language)], {})
        assert isinstance(block, CodeBlock)
        assert block.verdict is not None
        assert block.verdict.code == language.name
