"""Hints about names: those in no list have one, and the reader's own have none."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.checks.names.hints import MAX_HINTS, MAX_NAME_CHARACTERS, NEWER, find_name_hints
from worker.checks.names.name_lists import load_name_lists, normalize_pypi_name
from worker.checks.names.python_uses import MAX_NODES

LISTS = load_name_lists()
LABELLED = Path(__file__).parent / "labelled_uses.toml"
MIN_PRECISION = 0.95


def list_labelled_uses() -> Iterator[tuple[str, str, bool]]:
    """Yield language and code of each labelled use, and whether the name is wrong."""
    for group in tomllib.loads(LABELLED.read_text("utf-8"))["group"]:
        for label in ("real", "wrong"):
            for name in group[label]:
                yield group["language"], group["form"].replace("{}", name, 1), label == "wrong"


def find_names(text: str, language: str = "python") -> list[str]:
    """Return the names that the code has hints about."""
    return [hint.name for hint in find_name_hints(language, text, LISTS)]


def test_labelled_uses() -> None:
    """Nearly all hints are right, and nearly all wrong names have one."""
    found = [
        (any(hint.kind != NEWER for hint in find_name_hints(language, code, LISTS)), is_wrong)
        for language, code, is_wrong in list_labelled_uses()
    ]

    assert len(found) >= 200
    right = found.count((True, True))
    assert right >= MIN_PRECISION * sum(has_hint for has_hint, _ in found)
    assert right >= MIN_PRECISION * sum(is_wrong for _, is_wrong in found)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # One name means two things.
        ("import datetime\nfrom datetime import datetime\ndatetime.now()", []),
        ("import json\njson = load()\njson.loadss()", []),
        ("import json\ndef f(json):\n    json.loadss()", []),
        ("import json\nclass json: pass\njson.loadss()", []),
        ("import json\ntry:\n    f()\nexcept E as json:\n    json.loadss()", []),
        # Code that expects a name to be missing.
        ("try:\n    import notatallreal_x\nexcept ImportError:\n    pass", []),
        ("try:\n    import notatallreal_x\nexcept (OSError, ImportError):\n    pass", []),
        ("try:\n    import notatallreal_x\nexcept:\n    pass", []),
        ("import sys\nif sys.version_info < (3,):\n    import urllib2", []),
        ("try:\n    import notatallreal_x\nexcept OSError:\n    pass", ["notatallreal_x"]),
        ("if ready():\n    import notatallreal_x", ["notatallreal_x"]),
        # A module in the reader's own file.
        ("# notatallreal_x.py has it\nimport notatallreal_x", []),
        ("import json as j\nj.loadss('x')", ["json.loadss"]),
        ("import os.path\nos.path.joins('x')\nos.x.y", ["os.path.joins", "os.x"]),
        ("    import json\n    json.loadss()", ["json.loadss"]),
        ("import json\njson.loadss()\njson.loadss()", ["json.loadss"]),
        ("import json\nf().json.loadss()", []),
        ("import json\n(", []),
        ("import json\0", []),
        ("-" * 5_000 + "1", []),
        (f"import {'x' * (MAX_NAME_CHARACTERS + 1)}", []),
        ("\n".join(f"import notatallreal_{n}x" for n in range(9)), MAX_HINTS),
        ("import json\n" + "x\n" * MAX_NODES + "json.loadss()", []),
    ],
)
def test_python_names(text: str, names: list[str] | int) -> None:
    """A hint needs a name that is imported, that means one thing and that code relies on."""
    found = find_names(text)

    assert (len(found) if isinstance(names, int) else found) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("$ sudo pip3 install notatall-real-x", ["notatall-real-x"]),
        ("python -m pip install -r notatall-real-x.txt requests", []),
        ("pip install notatall-real-x && npm i notatall-real-y", ["notatall-real-x"]),
        ("pip install --index-url https://x notatall-real-x # why", ["notatall-real-x"]),
        ("pip install 'notatall-real-x", []),
        ("npm install notatall.js ./here.js chart.js", ["notatall.js"]),
        ("pip install " + "x" * 2_000, []),
        ("echo pip install notatall-real-x", []),
        ("# pip install is broken on arm64", []),
        ("pip install flask 2>&1", []),
        ("npm install express > out.log 2>/dev/null", []),
        ("pip install --timeout 100 flask", []),
    ],
)
def test_install_commands(text: str, names: list[str]) -> None:
    """Options, files and other commands name no package."""
    assert find_names(text, "bash") == names


def test_javascript_lines_are_bounded() -> None:
    """A line that holds data is not read."""
    line = "import x from 'notatall-real-x'"

    assert find_names(line, "javascript") == ["notatall-real-x"]
    assert find_names(line + " " * 2_000, "javascript") == []
    assert find_names("import x from '~/components/a'", "javascript") == []


def test_prose_installs_nothing() -> None:
    """Markdown may begin a line with the words of a command."""
    assert find_names("npm install will create node_modules", "markdown") == []


def test_hint_says_what_is_known() -> None:
    """A changed name has its version and successor, another one the date of the list."""
    [gone] = find_name_hints("python", "from collections import Mapping", LISTS)
    [unknown] = find_name_hints("python", "import notatallreal_x", LISTS)

    assert (gone.since, gone.use, gone.date) == ("Python 3.10", "collections.abc.Mapping", "")
    assert (unknown.since, unknown.use) == ("", "")
    assert unknown.date == LISTS.dates["pypi"]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("bash", "pip install Pydantic_AI requests", [("Pydantic_AI", "2024")]),
        (
            "python",
            "import requests\nfrom langgraph.graph import StateGraph",
            [("langgraph", "2024")],
        ),
        ("python", "from mcp.server import Server  # in mcp.py", []),
        ("python", "import mcp_not_a_package_x", []),
        ("javascript", "import { uv } from 'uv'", []),
    ],
)
def test_packages_that_are_newer_than_the_model(
    language: str, text: str, expected: list[tuple[str, str]]
) -> None:
    """They exist, but the model was trained before."""
    found = find_name_hints(language, text, LISTS)

    assert [(hint.name, hint.since) for hint in found if hint.kind == NEWER] == expected


def test_listed_years_are_after_the_training() -> None:
    """Each name is in the list of packages too, in its normal form."""
    for name, year in LISTS.first_years.items():
        assert name in LISTS.packages["pypi"]
        assert name == normalize_pypi_name(name)
        assert 2023 <= int(year) <= 2026
