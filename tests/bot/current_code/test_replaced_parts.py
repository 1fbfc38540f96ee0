"""A block that may be a part of what it would replace is shown beside it."""

import pytest

from tests.bot.current_code.threads import assemble, assemble_file, fence, post, read_text, reply

HALF = "def half(n):\n    return n / 2\n"
STACK = (
    "class Stack:\n    size = 0\n\n    def push(self, x):\n        self.all.append(x)\n\n"
    "    def pop(self):\n        return self.all[0]\n"
)
POP = "    def pop(self):\n        return self.all.pop()\n"
JS_STACK = "class Stack {\n  push(x) {\n  }\n  pop() {\n    return 0;\n  }\n}\n"
CONFIG = "".join(f"key{n}: {n}\n" for n in range(8))


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (STACK, "class Stack:\n" + POP),
        (STACK, "class Stack:\n    size = 0\n\n    def push(self, x): ...\n\n" + POP),
        (f"import os\n\n\ndef a(): return os\n\n\n{HALF}", f"def a(): ...\n\n\n{HALF}"),
        (HALF, "def half(n):\n    n += 1\n    ...\n    return n\n"),
        (f"import os\n\n\n{HALF}", f"import os\n...\n{HALF}"),
    ],
)
def test_python_that_lacks_bodies(code: str, part: str) -> None:
    """Of a class a method, of a function some lines, of a module some statements."""
    file = assemble_file(reply(1, "# app.py\n" + code), reply(2, "# app.py\n" + part))
    assert (read_text(file), len(file.unclear)) == (code, 1)


@pytest.mark.parametrize(
    "later", [STACK.replace("[0]", ".pop()"), STACK + "\n    def top(self): ...\n"]
)
def test_whole_class_takes_the_place_of_the_first(later: str) -> None:
    """New methods may be stubs."""
    posted = post(1, app_py=f"{HALF}\n\n{STACK}")
    file = assemble_file(posted, reply(1, "# app.py\n" + later))
    assert (read_text(file).strip(), file.unclear) == (f"{HALF}\n\n{later}".strip(), ())


def test_stub_may_be_written_again() -> None:
    """What had no body loses none."""
    stub = "def half(n): ...\n"
    file = assemble_file(reply(1, stub + HALF.replace("half", "a")), reply(2, "# b\n" + stub))
    assert file.unclear == ()


def test_functions_without_a_name_are_not_merged() -> None:
    """Several have the name `_`: one does not replace another."""
    first = "@register\ndef _(x: int): pass\n"
    twice = f"import os\ndef show(x): pass\n{first}@register\ndef _(x: str): pass\n"
    file = assemble_file(reply(1, twice), reply(2, "def show(x): return x\n" + first))
    assert (read_text(file), len(file.unclear)) == (twice, 1)
    whole = twice.replace("pass", "return x")
    assert read_text(assemble_file(reply(1, twice), reply(2, whole))) == whole


@pytest.mark.parametrize(
    ("name", "code", "part"),
    [
        ("config.yaml", CONFIG, "key3: 33\n"),
        ("Dockerfile", "FROM a\nRUN b\nCMD c\n", "RUN x\n"),
        ("run.sh", "set -e\ncd a\nls\nrm b\n", "rm c\n"),
        ("app.js", JS_STACK, "class Stack {\n  pop() {\n    return 1;\n  }\n}\n"),
        ("app.js", JS_STACK, JS_STACK.replace("    return 0;", "    ...")),
    ],
)
def test_code_in_another_language_that_lacks_lines(name: str, code: str, part: str) -> None:
    """By its lines if it defines nothing, else also by its methods."""
    for first in (post(1, fence(f"# {name}\n{code}", "")), reply(1, code, info=f"text {name}")):
        found = assemble(
            first, reply(2, part, info=f"text {name}"), reply(3, part, info=f"- {name}")
        )
        [file] = found.files
        assert len(file.unclear) == 2


@pytest.mark.parametrize(
    ("name", "code", "later"),
    [
        ("config.yaml", CONFIG, CONFIG.replace("3: 3", "3: 33")),
        ("a.json", '{"a": 1}\n', '{\n  "a": 2\n}\n'),
        ("app.js", JS_STACK, JS_STACK.replace("0", "1")),
    ],
)
def test_whole_code_in_another_language_takes_the_place(name: str, code: str, later: str) -> None:
    """One line has no parts."""
    file = assemble_file(
        post(1, **{name.replace(".", "_"): code}), reply(1, later, info=f"text {name}")
    )
    assert (read_text(file), file.unclear) == (later, ())


def test_block_that_is_only_a_name_is_left_out() -> None:
    """An empty file cannot be uploaded."""
    assert assemble(reply(1, "# a.py\n")).files == ()
    assert assemble(post(1, a_py="# a.py\n"), reply(1, "# a.py\n\n")).files == ()
