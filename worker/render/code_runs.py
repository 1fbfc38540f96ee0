"""Code without a fence: runs of lines that read as code, which Markdown would reflow."""

import re
from collections.abc import Sequence
from typing import Final

SESSION_START: Final = re.compile(
    r">>> |>>>\Z|\$ \S|@@ -\d|diff --git |Traceback \(most recent call last\):"
)
"""First line of a session, a diff or a traceback; it ends at the next empty line."""

CODE_LINE: Final = re.compile(
    r"""
    (?: (?:async[ ])?def[ ]\w++[ ]?\( | class[ ]\w++[(:{ ] | @\w[\w.]*+(?:\(|\Z)
      | (?:from[ ][\w.]++[ ])?import[ ][\w.*]++(?:,[ ]?[\w.*]++){0,99}(?:[ ]as[ ]\w++)?;?\Z
      | (?:if|elif|while|for|with|try|except|else|finally)\b.*+(?<=[:{])\Z
      | \#include[ ]?[<"] | \#!/ | //[ ] | /\* | \*/ | --[ ]\w
      | (?:export|const|let|var|function|func|fn|impl|struct|package|using|namespace|enum
          |public|private|protected|static|pub|int|void)[ ].*+(?<=[{;()=\[,])\Z
      | (?:const|let|var)[ ]\w++[ ]?=
      | [\w.]++(?:\[[^\]\n]*+\])?(?:,[ ]?\w++){0,99}[ ]?(?:[-+*/|&^%:]|\*\*)?=[ ]?[^\s=]
      | [\w.]++\(.*+(?<=[)({\[,:])\Z
      | [{}()\[\];,]++\Z | </?[a-zA-Z][^<>\n]*+> | "[^"\n]*+":[ ]
      | (?:SELECT|INSERT[ ]INTO|UPDATE|DELETE[ ]FROM|CREATE|ALTER|DROP|WHERE|FROM|JOIN)[ ]
      | (?:sudo|pip3?[ ]install|npm[ ](?:install|run)|git[ ](?:clone|add|commit|push|checkout)
          |docker[ ](?:run|build|compose)|curl|cd|export)[ ]\S
      | .*+(?<=[;{])\Z
    )
    """,
    re.VERBOSE,
)
COMMENT_LINE: Final = re.compile(r"#[^#!]|#\Z")
MAPPING_KEY: Final = re.compile(r"[\w.-]++:\Z")
NESTED_KEY: Final = re.compile(r"[ ]{1,8}(?:-[ ])?[\w.-]++:(?:[ ]|\Z)")
CONTAINER: Final = re.compile(r"[ \t]*+(?:[-+*](?:[ \t]|\Z)|\d{1,9}+[.)](?:[ \t]|\Z)|>)")
PLACEHOLDER_START: Final = "\ufdd0"

MIN_CODE_LINES: Final = 2
"""Lines of code without an indented one that make a run."""


def find_code_runs(lines: Sequence[str]) -> list[tuple[int, int]]:
    """
    Return the first and the last-but-one index of each run of code among lines of prose.

    One line that might be code is no run: it stays prose, with its white space.
    """
    runs: list[tuple[int, int]] = []
    index = 0
    while index < len(lines):
        end = _find_end(lines, index) if _can_start(lines, index) else index
        if end > index:
            runs.append((index, end))
        index = max(end, index + 1)
    return runs


def is_lazy_code(lines: Sequence[str], index: int, *, in_list: bool) -> bool:
    """Whether an indented line right below prose is meant as code: CommonMark joins the two."""
    line = lines[index]
    is_indented = line.startswith(("    ", "\t")) and bool(line.strip())
    above = lines[index - 1] if index else ""
    return (
        is_indented
        and not in_list
        and bool(above.strip())
        and above[0] not in " \t"
        and not above.startswith(PLACEHOLDER_START)
        and not CONTAINER.match(line)
    )


def _can_start(lines: Sequence[str], index: int) -> bool:
    line, below = lines[index], lines[index + 1] if index + 1 < len(lines) else ""
    if not line.strip() or line[0] in " \t":
        return False
    if COMMENT_LINE.match(line):
        return _is_code(below, "")
    return bool(SESSION_START.match(line)) or _is_code(line, below)


def _is_code(line: str, below: str) -> bool:
    stripped = line.rstrip()
    if not stripped or CONTAINER.match(line) or stripped[0] in " \t":
        return False
    if MAPPING_KEY.match(stripped):
        return bool(NESTED_KEY.match(below))
    if stripped[-1] == ":" and CONTAINER.match(below):
        return False
    return bool(CODE_LINE.match(stripped))


def _find_end(lines: Sequence[str], start: int) -> int:
    """Return the index after the run; `start` if the lines are no code."""
    if SESSION_START.match(lines[start]):
        return _find_session_end(lines, start)
    code = indented = 0
    end = start
    for index in range(start, len(lines)):
        line, below = lines[index], lines[index + 1] if index + 1 < len(lines) else ""
        if not line.strip():
            continue
        if line[0] in " \t" and PLACEHOLDER_START not in line:
            indented += 1
        elif _is_code(line, below):
            code += 1
        elif not _is_comment(line, below):
            break
        end = index + 1
    return end if code >= MIN_CODE_LINES or (code and indented) else start


def _find_session_end(lines: Sequence[str], start: int) -> int:
    end = start
    while end < len(lines) and lines[end].strip() and PLACEHOLDER_START not in lines[end]:
        end += 1
    return end


def _is_comment(line: str, below: str) -> bool:
    """Whether a line is a comment of the code below it, and not a heading."""
    return bool(COMMENT_LINE.match(line)) and (_is_code(below, "") or below[:1] in {" ", "\t"})
