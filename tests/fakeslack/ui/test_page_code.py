"""Code blocks of the page: fences, highlighting and the copy button."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import expect

from testing.browser import BrowserPage
from testing.workspace import LIN, STARCHAT, Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


Json = dict[str, Any]


def test_a_typed_fence_is_rendered_as_code(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """A known language in the first line becomes the label."""
    workspace.post_message(
        LIN, channel_id, "look:\n```python\nx: List[int] = []  # <&>\n```\nand ```\njust text```"
    )
    ada = open_reader(workspace).open_channel(channel_id)
    row = ada.find_message("look:")

    expect(row.locator(".code .language")).to_have_text(["Python", "Code"])
    expect(row.locator(".code code")).to_have_text(["x: List[int] = []  # <&>", "just text"])
    expect(row.locator(".hl-comment")).to_have_text("# <&>")


CODES = (
    "plain",
    "\ttabs\t and trailing   \n\n\n  indented\n",
    "a\r\nb\rc\x0bd\x0c",
    "<b>&amp;&lt;</b> `x` ```y``` \u200b\u202e\U0001f600 é e\u0301",
    "x" * 5000,
)


@pytest.mark.parametrize("code", CODES, ids=["plain", "space", "returns", "marks", "long"])
def test_the_copy_button_copies_the_exact_code(
    workspace: Workspace, channel_id: str, open_reader: OpenReader, code: str
) -> None:
    """The button confirms the copy."""
    element = {"type": "text", "text": code}
    part = {"type": "rich_text_preformatted", "language": "python", "elements": [element]}
    workspace.post_raw(
        channel_id, "", user=STARCHAT, blocks=[{"type": "rich_text", "elements": [part]}]
    )
    ada = open_reader(workspace, permissions=["clipboard-read", "clipboard-write"]).open_channel(
        channel_id
    )
    button = ada.channel_column.get_by_role("button", name="Copy Python code")
    button.click()

    expect(button).to_have_text("Copied", use_inner_text=True)
    assert ada.run_script("() => navigator.clipboard.readText()") == code


def test_code_is_copied_without_a_clipboard_object(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """An insecure context copies the same bytes by a copy event."""
    ada = open_reader(workspace, permissions=["clipboard-read", "clipboard-write"]).open_channel(
        channel_id
    )
    ada.run_script(
        """async (code) => {
            const { copyText } = await import("/page/blocks/code.js");
            const { writeText } = navigator.clipboard;
            navigator.clipboard.writeText = () => Promise.reject(new Error("not here"));
            await copyText(code);
            navigator.clipboard.writeText = writeText;
        }""",
        CODES[1],
    )
    assert ada.run_script("() => navigator.clipboard.readText()") == CODES[1]


def test_code_is_highlighted(module_reader: BrowserPage) -> None:
    """Comments, strings, numbers and keywords are distinguished in each language."""
    samples = {
        "python": 'def f(x):\n    """doc\nmore"""\n    return 1  # no',
        "typescript": "const f = (x: string) => `a` + 1; // no",
        "bash": "if true; then echo 'x' 1; fi # no",
        "sql": "select 'x', 1 from t -- no",
        "rust": 'fn f() { let s = r#"a"b"#; 1 } // no',
        "go": 'func f() string { return "x" + 1 } // no',
        "cpp": 'int f() { return "x"[1]; } /* no */',
        "java": 'class A { String s = "x"; int n = 1; } // no',
    }
    for language, code in samples.items():
        kinds = {piece["kind"] for piece in split_code(module_reader, code, language)}
        assert kinds >= {"keyword", "string", "number", "comment"}, language
    assert {p["kind"] for p in split_code(module_reader, "a: 'x'\nb: 1 # no", "yaml")} >= {
        "property",
        "string",
        "number",
        "comment",
    }
    assert [p["kind"] for p in split_code(module_reader, "@@ -1 +1 @@\n-a\n+b\n c", "diff")] == [
        "variable",
        "removed",
        "added",
        None,
    ]
    assert {
        p["kind"] for p in split_code(module_reader, '<a href="x">y</a><!-- z -->', "html")
    } == {
        "keyword",
        "property",
        "string",
        "comment",
        None,
    }


def split_code(module_reader: BrowserPage, code: str, language: str) -> list[Json]:
    """Return the highlighter's pieces of code."""
    found = module_reader.run_script(
        """async ([code, language]) => {
            const { pieces } = await import("/page/blocks/highlight.js");
            return pieces(code, language);
        }""",
        [code, language],
    )
    assert isinstance(found, list)
    return found


CODE_TEXT = st.text(st.sampled_from("\"'`#/*-<>!@$\\\n\t abcf019_=(){}[]:;r<&é\U0001f600"))


@given(codes=st.lists(CODE_TEXT, max_size=20))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_highlighting_keeps_every_character(module_reader: BrowserPage, codes: list[str]) -> None:
    """In every language the joined pieces equal the code."""
    joined = module_reader.run_script(
        """async (codes) => {
            const { pieces } = await import("/page/blocks/highlight.js");
            const { KNOWN } = await import("/page/blocks/languages.js");
            const join = (code, name) => pieces(code, name).map((piece) => piece.text).join("");
            return codes.map((code) => [...new Set([...KNOWN].map((name) => join(code, name)))]);
        }""",
        codes,
    )
    assert joined == [[code] for code in codes]
