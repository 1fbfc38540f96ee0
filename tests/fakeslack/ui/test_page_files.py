"""The page's static files: no HTML parsing, no other host, no unused file."""

import re
from pathlib import Path

import pytest

STATIC_DIRECTORY = Path(__file__).parents[3] / "fakeslack" / "ui" / "static"
MODULES = sorted(STATIC_DIRECTORY.rglob("*.js"))
FILES = sorted(path for path in STATIC_DIRECTORY.rglob("*") if path.is_file())
MAX_LINES = 280

HTML_PARSERS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|setHTML|srcdoc|\beval\(|new Function"
)
EXTERNAL_URL = re.compile(r"""(?:src|href|url\(|import|fetch\()\s*[=(]?\s*["']?(?:https?:)?//""")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_parses_html_or_evaluates_code(path: Path) -> None:
    """Message text reaches the page through text nodes only."""
    assert HTML_PARSERS.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_loads_from_another_host(path: Path) -> None:
    """The page works on a machine without a network."""
    assert EXTERNAL_URL.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_opens_with_one_sentence_and_is_short(path: Path) -> None:
    """Each module describes itself in its first line and has at most MAX_LINES lines."""
    text = path.read_text("utf-8")

    assert re.match(r"/\*\* [A-Z][^\n]+\. \*/\n", text)
    assert text.count("\n") <= MAX_LINES


def test_index_html_and_the_imports_name_every_file() -> None:
    """No script or stylesheet is left over, and none is missing."""
    index = STATIC_DIRECTORY / "index.html"
    named = {index}
    for path in re.findall(r"/page/([\w./]+)", index.read_text("utf-8")):
        named.add(STATIC_DIRECTORY / path)
    for module in MODULES:
        for path in re.findall(r'from "([\w./]+)"', module.read_text("utf-8")):
            named.add((module.parent / path).resolve())

    assert named == set(FILES)
