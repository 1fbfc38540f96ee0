"""Blocks, names of files, and top-level names."""

import pytest

from bot.current_code.blocks import make_block, scan_blocks
from bot.current_code.file_names import clean_name, clean_posted_name, read_info, read_label
from bot.current_code.python_source import MAX_PARSED_CHARACTERS, PythonSource
from bot.current_code.top_level import find_heads, find_members, find_names
from bot.current_code.unified_diff import build_diff


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app.py", "app.py"),
        ("../../x.py", "x.py"),
        ("/etc/cron.d/job.sh", "etc/cron.d/job.sh"),
        ("src\\App.tsx", "src/App.tsx"),
        ("./Dockerfile", "Dockerfile"),
        (".gitignore", ".gitignore"),
        ("数据.py", "数据.py"),
        *(
            (text, "")
            for text in ("", "..", "dir/", "-x.py", "a\x00.py", "Node.js", "e.g.", "v1.2")
        ),
        *((text, "") for text in ("x" * 130 + ".py", "a\u202e.py", "~/x.py", "C:/x.py", "word")),
    ],
)
def test_names_of_files(text: str, name: str) -> None:
    """A relative path with a known extension, or none."""
    assert clean_name(text) == name


def test_names_of_posted_files() -> None:
    """Unusual signs become underscores."""
    assert clean_posted_name("my, file;.py") == "my_ file_.py"
    assert clean_posted_name("../x.py") == "x.py"
    assert clean_posted_name("Untitled") == ""


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("# app.py", "app.py"),
        ("// File: src/my app.js", "src/my app.js"),
        ("/* **main.c** */", "main.c"),
        ("<!-- `index.html` -->\r", "index.html"),
        ("-- schema.sql:", "schema.sql"),
        *((line, "") for line in ("# see app.py", "app.py", "#!/bin/sh", "# " + "x" * 300)),
    ],
)
def test_labels(line: str, name: str) -> None:
    """A comment that is a name and nothing else."""
    assert read_label(line) == name


def test_words_behind_a_fence() -> None:
    """An attribute, a single word, or the tag itself."""
    assert read_info("python", 'linenos title="a b.py"') == ""
    assert read_info("python", "title='x/a.py' linenos") == "x/a.py"
    assert read_info("python", "a.py") == "a.py"
    assert read_info("a.py", "") == "a.py"
    assert read_info("python", "of your project") == ""


def test_label_of_another_language_is_a_comment() -> None:
    """Code that reads a file may begin with its name."""
    block = make_block("# config.yaml\nx = 1\n", tag="python")
    assert (block.name, block.code) == ("", "# config.yaml\nx = 1\n")
    assert make_block("# run.py\nx = 1\n").language.name == "python"


def test_fences() -> None:
    """In lists, of tildes, in Markdown, without an end, with Windows' line ends."""
    text = "1. ```js\r\n   a\r\n \tb\r\n   ```\n~~~~\n```\n~~~~\n"
    text += "```md\n```py\n```\nx\n```\n```\n\n```\n"
    assert [(block.language.name, block.code) for block in scan_blocks(text)] == [
        ("javascript", "a\n b\n"),
        ("", "```\n"),
        ("markdown", "```py\n```\nx\n"),
    ]
    [block] = scan_blocks("```py\nx\n````x\n")
    assert not block.is_closed


@pytest.mark.parametrize(
    ("line", "has_elision"),
    [
        ("    # ... rest of the code ...", True),
        ("// (… unchanged)", True),
        ("<!-- existing code here -->", True),
        ("    ...", False),
        ("# returns the remaining items", False),
    ],
)
def test_left_out_lines(line: str, has_elision: bool) -> None:  # noqa: FBT001
    """A comment says so; Python's `...` does not."""
    assert make_block(f"a\n{line}\n").has_elision is has_elision
    assert make_block("a\n  ...\n", tag="js").has_elision


def test_top_level_names() -> None:
    """Definitions and variables of several languages, and nothing that is indented."""
    code = (
        "export default async function load() {\nconst run = async (x) => x\nvar n = 1\n  let m\n"
        "func (s *Stack) Push(x int) {\npub(crate) fn grow() {}\nbuild() {\ncreate table if not "
        "exists users (\npublic static class App {\nlog(n)\n}\n// done\n"
    )
    variables, definitions = find_names(code)
    assert variables == ("n",)
    assert definitions == ("load", "run", "Push", "grow", "build", "users", "App")
    assert find_heads(code) == {"log(n)"}


@pytest.mark.parametrize(
    "text",
    ["x = 1; y = 2\n", "x\ry\n", "x\0", "(", "-" * 10_000 + "1", "x = 1\n" * MAX_PARSED_CHARACTERS],
)
def test_python_that_is_not_divided(text: str) -> None:
    """Several statements on a line, other line ends, no Python, too deep, too long."""
    assert PythonSource.parse(text) is None


def test_equal_texts_have_no_diff() -> None:
    """A hunk shows three lines around a change, and two near changes are one hunk."""
    old = "".join(f"{n}\n" for n in range(40))
    assert build_diff("a.txt", old, old) == ""
    diff = build_diff("a.txt", old, old.replace("5\n", "5!\n", 1).replace("30\n", ""))
    assert [line for line in diff.split("\n") if line.startswith("@@")] == [
        "@@ -3,7 +3,7 @@",
        "@@ -28,7 +28,6 @@",
    ]


def test_lines_around_a_change_stay() -> None:
    """Also if a line comes twice, or has moved."""
    diff = build_diff("a.txt", "x\ny\ny\nx\n", "x\ny\nz\ny\nx\n")
    assert diff.split("\n")[3:-1] == [" x", " y", "+z", " y", " x"]
    moved = build_diff("a.txt", "a\nb\nc\n", "c\na\nb\n")
    assert moved.split("\n")[3:-1] == ["+c", " a", " b", "-c"]


def test_members_of_other_languages() -> None:
    """Methods and inner functions; neither conditions nor calls."""
    code = (
        "class A {\n  constructor() {\n    if (x) {\n      f(() => {\n"
        "  static async load(url: string): Promise<A> {\n  public int size() const {\n"
        "    function inner() {}\n    fn method(&self) -> u8 {\n    work(1);\n}\nfunction f() {}\n"
    )
    assert find_members(code) == {"constructor", "load", "size", "inner", "method"}
