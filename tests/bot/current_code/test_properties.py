"""Properties of current code: same thread, same files; what parses stays so; hostile threads."""

import ast

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.current_code.assembly import assemble_code
from bot.current_code.blocks import scan_blocks
from bot.current_code.file_names import clean_name, clean_posted_name
from bot.current_code.model import CodeTurn, PostedFile
from bot.current_code.python_source import PythonSource
from bot.current_code.unified_diff import build_diff
from tests.bot.current_code.threads import fence

STATEMENTS = st.sampled_from(
    [
        *("import os\n", "from __future__ import annotations\n", "import sys; x = 1\n"),
        *("def a():\n    return 1\n", "# about a\n@b\ndef a(): pass\n", "class B:\n    x = 1\n"),
        *("async def c(): pass\n", "LIMIT = 1\n", "LIMIT: int = 2\n", "print(a())\n", "\n\n"),
        *('"""Doc."""\n', 'if __name__ == "__main__":\n    a()\n', "# comment\n", "x = 1"),
    ]
)
PYTHON = st.lists(STATEMENTS, max_size=8).map("".join)
LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "}\n"]), max_size=12).map("".join)
HOSTILE = st.text("`~#/\\.\n\r\t \x00\u2028\u202exdef():<>-'\"", max_size=80)
INFOS = st.sampled_from(["", "python", "js", "python title=../../x.py", "json", "\x1b[31m", "bash"])
TURNS = st.lists(
    st.builds(
        CodeTurn,
        ts=st.just("1.0"),
        author=st.just("U1"),
        text=st.one_of(HOSTILE, st.builds(fence, st.one_of(PYTHON, HOSTILE), INFOS)),
        is_reply=st.booleans(),
        files=st.lists(
            st.builds(PostedFile, name=st.one_of(HOSTILE, st.just("a.py")), text=PYTHON), max_size=1
        ).map(tuple),
    ),
    max_size=6,
)


def parses(text: str) -> bool:
    """Return whether Python's parser takes a text."""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


@given(TURNS)
def test_any_thread_gives_the_same_safe_files(turns: list[CodeTurn]) -> None:
    """Names are relative and printable."""
    found = assemble_code(turns)
    assert found == assemble_code(turns)
    names = [one.name for file in found.files for one in file.outputs]
    assert all(name.isprintable() and name[0] not in "/-" for name in names)
    assert not any(".." in name.split("/") for name in names)


@given(st.lists(PYTHON.filter(parses), min_size=1, max_size=5), st.booleans())
def test_python_that_parses_stays_so(codes: list[str], is_posted: bool) -> None:  # noqa: FBT001
    """However its parts are put together."""
    texts = [fence(f"# app.py\n{code}") for code in codes]
    turns = [
        CodeTurn("1.0", "U1", text, is_reply=number > 0 or not is_posted)
        for number, text in enumerate(texts)
    ]
    for file in assemble_code(turns).files:
        if file.content is not None:
            assert parses(file.content.text)


@given(PYTHON, st.sampled_from(["", "x", "\n"]))
def test_statements_are_the_whole_text(code: str, end: str) -> None:
    """Byte for byte."""
    source = PythonSource.parse(code + end)
    assert source is None or source.text == code + end


@given(LINES, LINES, st.sampled_from(["", "z"]), st.sampled_from(["", "z"]))
def test_diff_leads_from_old_to_new(old: str, new: str, old_end: str, new_end: str) -> None:
    """By the rules of the format, read line by line."""
    old, new = old + old_end, new + new_end
    assert apply_diff(old, build_diff("a b.py", old, new)) == new


def apply_diff(old: str, diff: str) -> str:
    """Apply a unified diff strictly."""
    lines = old.split("\n")
    lines = [*(f"{line}\n" for line in lines[:-1]), *filter(None, lines[-1:])]
    taken, result = 0, list[str]()
    rows = diff.split("\n")[2:-1]
    for row, following in zip(rows, [*rows[1:], ""], strict=False):
        line = row[1:] if following.startswith("\\") else f"{row[1:]}\n"
        if row.startswith("@@"):
            start, _, count = row.split()[1].partition(",")
            first = -int(start) - (count != "0")
            result += lines[taken:first]
            taken = first
        elif row.startswith("+"):
            result.append(line)
        elif not row.startswith("\\"):
            assert lines[taken] == line
            taken += 1
            result += [line] * row.startswith(" ")
    return "".join([*result, *lines[taken:]])


@given(HOSTILE)
def test_names_of_files_are_never_outside(text: str) -> None:
    """Neither a person nor the model can name another folder."""
    for name in (clean_name(text), clean_posted_name(text)):
        assert clean_name(name) == name


@settings(max_examples=20)
@given(st.sampled_from(["```\n", "~~~", "- ", "#", "def f():\n", "`" * 50, "/*", "(" * 90]))
def test_repetitions_are_read_in_bounded_time(part: str) -> None:
    """A hundred thousand signs of one kind do not hang it; the suite's time limit tells."""
    text = part * (100_000 // len(part))
    list(scan_blocks(text))
    assemble_code([CodeTurn("1.0", "U1", fence(text), is_reply=True)])
    build_diff("x", text, text[1:])


def test_files_with_many_names_are_read_in_bounded_time() -> None:
    """Also if a message has two of them: their texts are compared once, not for each name."""
    text = "".join(f"function a{n}() {{}}\n" for n in range(80_000))
    files = (PostedFile("a.js", text), PostedFile("b/a.js", f"{text}\n"))
    answer = CodeTurn("1.0", "U1", fence(f"// a.js\n{text}", "js"), is_reply=True)
    found = assemble_code([CodeTurn("1.0", "U1", "", files=files), answer])
    assert (found.files, found.num_too_long) == ((), 1)
