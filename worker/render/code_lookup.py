"""Code lookup: whether the end of a growing reply is code, by the rules of its rendering."""

from enum import Enum, auto

from worker.render import sanitize
from worker.render.fences import extract_code_blocks
from worker.render.model import CodeBlock
from worker.render.work_limits import LOOKUP_BUDGET, MAX_REPLY_CHARACTERS, WorkBudget


class LineKind(Enum):
    """How a line is shown: as prose, as code, or as code in a block that is still open."""

    PROSE = auto()
    CODE = auto()
    OPEN_BLOCK = auto()


def find_line_kind(text: str, line: str) -> LineKind:
    """Return how the last line of a text is shown. A line beyond the work limits counts as code."""
    budget = WorkBudget(LOOKUP_BUDGET)
    extracted = extract_code_blocks(sanitize.sanitize_text(text[:MAX_REPLY_CHARACTERS]), budget)
    if sanitize.sanitize_text(line) == extracted.text.rpartition("\n")[2]:
        return LineKind.PROSE
    last = extracted.pieces[-1] if extracted.pieces else None
    is_open = isinstance(last, CodeBlock) and last.unclosed
    return LineKind.OPEN_BLOCK if is_open else LineKind.CODE
