"""The page's files keep the promises that their reader relies on."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "fakeslack" / "ui" / "static"
MODULES = sorted(PAGE.glob("*.js"))
FILES = sorted(PAGE.iterdir())
MAX_LINES = 280

PARSES = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|setHTML|srcdoc|\beval\(|new Function"
)
ELSEWHERE = re.compile(r"""(?:src|href|url\(|import|fetch\()\s*[=(]?\s*["']?(?:https?:)?//""")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_turns_text_into_markup_or_code(path: Path) -> None:
    """Whatever people write goes through text nodes only."""
    assert PARSES.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    """The page works on a machine without any other."""
    assert ELSEWHERE.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_what_it_is_for_and_is_small(path: Path) -> None:
    """One sentence opens each, and none is too long to be read at once."""
    text = path.read_text("utf-8")

    assert re.match(r"/\*\* [A-Z][^\n]+\. \*/\n", text)
    assert text.count("\n") <= MAX_LINES


def test_every_file_is_used() -> None:
    """Each script and style is named by the page or by another module, and nothing else is."""
    index = (PAGE / "index.html").read_text("utf-8")
    named = set(re.findall(r"/page/([\w.]+)", index))
    for path in MODULES:
        named |= set(re.findall(r'from "\./([\w.]+)"', path.read_text("utf-8")))

    assert named | {"index.html"} == {path.name for path in FILES}
