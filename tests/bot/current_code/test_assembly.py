"""Assembly of a thread's code: last versions, files, and conflicts that are shown."""

import pytest

from bot.current_code import texts
from bot.current_code.assembly import MAX_BLOCKS, MAX_FILE_BYTES
from bot.current_code.model import CodeChange, CodeTurn, CurrentCode, PostedFile
from bot.current_code.summary import Question, describe_code
from tests.bot.current_code.threads import (
    assemble,
    assemble_file,
    fence,
    post,
    read_text,
    reply,
)

SORT = (
    "import math\n\n\ndef sort(items):\n    return sorted(items)\n\n\n"
    "def half(n):\n    return n / 2\n"
)
NEW_HALF = "def half(n):\n    return n // 2\n"


def test_later_version_of_a_function_takes_the_place_of_the_first() -> None:
    """The rest stays, and both questions are named."""
    file = assemble_file(reply(1, SORT), reply(3, NEW_HALF, author="ULIN"))

    assert read_text(file) == SORT.replace("n / 2", "n // 2")
    assert file.name == "sort.py"
    assert file.changes == (CodeChange("1.0", "UADA"), CodeChange("3.0", "ULIN"))
    assert file.diff is None
    assert not file.unclear


def test_file_of_a_person_gets_a_diff() -> None:
    """Against exactly its text, also without a line end and with Windows' line ends."""
    posted = SORT.replace("\n", "\r\n").removesuffix("\r\n")
    file = assemble_file(post(1, app_py=posted), reply(1, NEW_HALF))

    assert read_text(file) == SORT.replace("\n", "\r\n").replace("n / 2", "n // 2")
    assert file.name == "app.py"
    assert file.diff is not None
    assert file.diff.name == "app.py.diff"
    assert file.diff.snippet_type == "diff"
    assert file.diff.text.startswith("--- app.py\n+++ app.py\n@@ ")
    assert "\r\n-    return n / 2\n\\ No newline at end of file\n+" in file.diff.text


def test_block_of_a_person_gets_a_diff() -> None:
    """A block without a language is Python if it parses and defines something."""
    file = assemble_file(post(1, fence(SORT, "")), reply(1, NEW_HALF))

    assert file.diff is not None
    assert "-    return n / 2\n+    return n // 2\n" in file.diff.text
    assert file.content is not None
    assert (file.content.name, file.content.snippet_type) == ("sort.py", "python")


def test_names_of_files_tell_blocks_apart() -> None:
    """In the fence or in the first line, which is no code then."""
    page, code = "<p>Hi</p>\n", "const a = 1;\n"
    first = CodeTurn(
        "1.0",
        "UADA",
        fence(f"<!-- index.html -->\n{page}", "html") + fence(code, 'js title="src/app.js"'),
        is_reply=True,
    )
    found = assemble(first, reply(2, "// src/app.js\nconst a = 2;\n", info="js")).files

    assert [(file.name, read_text(file)) for file in found] == [
        ("index.html", page),
        ("src/app.js", "const a = 2;\n"),
    ]


def test_folder_may_be_missing_in_one_name() -> None:
    """But not if two files have the name."""
    posted = post(1, fence("# src/app.py\nx = 1\n"))
    named = reply(1, "# app.py\nx = 2\n")
    assert assemble_file(posted, named).name == "src/app.py"
    other = post(2, fence("# test/app.py\nx = 1\n"))
    assert [file.name for file in assemble(posted, other, named).files] == ["app.py"]


def test_label_of_a_person_stays() -> None:
    """The diff does not remove it, although a reply's label is no code."""
    file = assemble_file(post(1, fence("# app.py\nx = 1\n")), reply(1, "# app.py\nx = 2\n"))

    assert read_text(file) == "# app.py\nx = 2\n"
    assert file.diff is not None
    assert " # app.py\n-x = 1\n+x = 2\n" in file.diff.text


def test_unnamed_file_takes_the_name_that_comes_later() -> None:
    """It is known again by what it defines."""
    file = assemble_file(reply(1, SORT), reply(2, "# tools.py\n" + NEW_HALF))
    assert (file.name, read_text(file)) == ("tools.py", SORT.replace("n / 2", "n // 2"))


def test_two_versions_in_one_reply_are_both_shown() -> None:
    """The file stays as it was; a later version settles it."""
    options = reply(2, NEW_HALF, "def half(n):\n    return n >> 1\n")
    file = assemble_file(reply(1, SORT), options)

    assert read_text(file) == SORT
    assert [one.name for one in file.unclear] == ["sort.part-1.py", "sort.part-2.py"]
    assert file.unclear[0].text == NEW_HALF
    settled = assemble_file(reply(1, SORT), options, reply(3, NEW_HALF))
    assert (read_text(settled), settled.unclear) == (SORT.replace("n / 2", "n // 2"), ())


def test_two_first_versions_are_no_file_yet() -> None:
    """Only the parts are shown."""
    file = assemble_file(reply(1, NEW_HALF, "def half(n):\n    return n >> 1\n"))
    assert file.content is None
    assert [one.name for one in file.outputs] == ["half.part-1.py", "half.part-2.py"]


def test_two_versions_of_a_file_without_names_are_both_shown() -> None:
    """Equal ones are one."""
    found = assemble(reply(1, '// a.json\n{"a": 1}\n', '// a.json\n{"a": 2}\n', info="json"))
    assert [one.name for one in found.files[0].outputs] == ["a.part-1.json", "a.part-2.json"]
    same = assemble_file(reply(1, *['// a.json\n{"a": 1}\n'] * 2, info="json"))
    assert [one.name for one in same.outputs] == ["a.json"]


@pytest.mark.parametrize(
    "part",
    [
        "print(1)\n\n\ndef half(n):\n    return n // 2\n",
        "def sort(items):\n    # ... existing code ...\n    return items\n",
        "def half(n): return 1\ndef half(n): return 2\n",
        "def half(n:\n",
    ],
)
def test_block_without_a_clear_place_is_shown_beside_the_file(part: str) -> None:
    """A statement in front, a sketch, a name twice, code that does not parse."""
    file = assemble_file(post(1, app_py=SORT), reply(1, "# app.py\n" + part))

    assert read_text(file) == SORT
    assert file.diff is None
    assert [(one.name, one.text) for one in file.unclear] == [
        ("app.part-1.py", "# app.py\n" + part)
    ]


def test_unclear_block_stays_until_its_names_come_again() -> None:
    """Another function settles nothing."""
    part = reply(2, "# app.py\nimport os\ndef half(n):\n    # ...\n")
    other = reply(3, "# app.py\ndef third(n):\n    return n / 3\n")
    file = assemble_file(post(1, app_py=SORT), part, other)
    assert len(file.unclear) == 1
    assert not assemble_file(post(1, app_py=SORT), part, other, reply(4, NEW_HALF)).unclear


def test_block_that_fits_two_files_is_not_guessed() -> None:
    """It is shown beside the first one."""
    first, second = reply(1, "# a.py\n" + NEW_HALF), reply(2, "# b.py\n" + NEW_HALF)
    third = reply(3, "# c.py\n" + NEW_HALF)
    found = assemble(first, second, third, reply(4, "def half(n):\n    return 0\n")).files

    assert [len(file.unclear) for file in found] == [1, 0, 0]
    assert [read_text(file) for file in found] == [NEW_HALF] * 3


def test_other_languages_are_replaced_whole() -> None:
    """Only by a block that defines all that was there."""
    code = "function a() {}\nconst b = () => 1;\nlet n = 0;\n"
    whole = code.replace("=> 1", "=> 2")
    assert read_text(assemble_file(reply(1, code, info="js"), reply(2, whole, info="js"))) == whole
    part = assemble_file(reply(1, code, info="js"), reply(2, "function a() { }\n", info="js"))
    assert (read_text(part), len(part.unclear)) == (code, 1)


def test_statements_of_a_person_are_not_lost() -> None:
    """A block without them does not replace the file."""
    posted = "function a() {}\n\na();\n"
    part = reply(1, "function a() { return 1; }\n", info="js")
    assert len(assemble_file(post(1, app_js=posted), part).unclear) == 1
    whole = reply(1, "function a() { return 1; }\n\na();\n", info="js")
    assert assemble_file(post(1, app_js=posted), whole).diff is not None


def test_new_file_of_a_person_replaces_the_old_one() -> None:
    """The diff is against the new one."""
    turns = post(1, app_py=SORT), reply(1, NEW_HALF), post(2, app_py="def other(): pass\n")
    file = assemble_file(*turns)
    assert (read_text(file), file.diff) == ("def other(): pass\n", None)


def test_masked_code_gets_no_diff() -> None:
    """It would not apply to what the person has."""
    posted = 'KEY = "<secret:aws-key:1>"\n\n\n' + NEW_HALF
    file = assemble_file(post(1, app_py=posted), reply(1, "def half(n):\n    return 0\n"))
    assert (file.diff, file.is_masked) == (None, True)


def test_code_in_other_bytes_gets_no_diff() -> None:
    """`patch` reads them, and not the text; a new file of the person settles it."""
    posted = PostedFile("app.py", SORT, is_recoded=True)
    turn = CodeTurn("1.0", "UADA", "", files=(posted,))
    file = assemble_file(turn, reply(1, NEW_HALF))
    assert (file.diff, file.is_masked, file.is_recoded) == (None, False, True)
    shown = describe_code(CurrentCode((file,)), file.outputs, {"1.0": Question("Ada", "")})
    assert str(texts.RECODED_LINE) in str(shown)
    assert assemble_file(turn, post(2, app_py=SORT), reply(2, NEW_HALF)).diff is not None


def test_languages_keep_names_apart() -> None:
    """The same name in two languages is two files; without a language, it is one."""
    js = reply(2, "class Stack {}\n", info="js")
    assert [file.name for file in assemble(reply(1, "class Stack: pass\n"), js).files] == [
        "Stack.py",
        "Stack.js",
    ]
    pasted = post(1, fence("class Stack { push() {} }\n", ""))
    assert assemble_file(pasted, js).diff is not None


def test_commands_output_and_examples_are_counted() -> None:
    """An example beside a file, a command, text; not what a person pastes."""
    texts = fence("pip install x\n", "bash") + fence("ok\n", "") + fence("print(half(1))\n")
    turn = CodeTurn("1.0", "UADA", fence(NEW_HALF) + texts, is_reply=True)
    found = assemble(post(1, fence("Traceback\n", "")), turn)
    assert ([file.name for file in found.files], found.num_others) == (["half.py"], 3)


def test_only_code_of_a_reply_is_a_file() -> None:
    """Also without a name, and so is a script; files get different names."""
    found = assemble(
        reply(1, "print(1)\n"), reply(2, "print(2)\n"), reply(3, "#!/bin/sh\nls\n", info="sh")
    )
    assert [file.name for file in found.files] == ["code.py", "code-2.py", "code.sh"]


def test_blocks_without_an_end_are_counted() -> None:
    """They replace nothing."""
    cut = CodeTurn("2.0", "UADA", "```python\ndef half(n):\n", is_reply=True)
    found = assemble(reply(1, NEW_HALF), cut, post(3, "```\nopen\n"))
    assert read_text(found.files[0]) == NEW_HALF
    assert found.num_unfinished == 1


def test_unchanged_files_of_people_are_left_out() -> None:
    """They have them already."""
    assert assemble(post(1, app_py=SORT), reply(1, "x", info="text")).files == ()


def test_thread_without_code_has_no_file() -> None:
    """Nothing is made up."""
    assert assemble(post(1, "Hello", notes_txt=" "), CodeTurn("1.0", "U", "Hi", is_reply=True)) == (
        CurrentCode()
    )


def test_thousands_of_blocks_are_bounded() -> None:
    """The newest ones count."""
    many = "".join(fence(f"def f{n}(): return {n}\n") for n in range(MAX_BLOCKS + 500))
    found = assemble(CodeTurn("1.0", "UADA", many, is_reply=True))
    assert (len(found.files), found.num_too_long) == (MAX_BLOCKS, 500)


def test_file_that_is_too_long_is_counted() -> None:
    """Slack would refuse it."""
    long = "".join(f"# {'x' * 1000}\n" for _ in range(MAX_FILE_BYTES // 1000))
    found = assemble(reply(1, NEW_HALF + long))
    assert (found.files, found.num_too_long) == ((), 1)
