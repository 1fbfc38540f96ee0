"""Rich text blocks: converted back to the Markdown of the reply."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.content.rich_text import to_markdown
from testing.rich_text_samples import SAMPLES, RichTextSample

Json = dict[str, Any]


def text_element(words: str, **style: bool) -> Json:
    """Return a piece of text."""
    return {"type": "text", "text": words, **({"style": style} if style else {})}


def section_element(*elements: Json) -> Json:
    """Return a paragraph."""
    return {"type": "rich_text_section", "elements": list(elements)}


def rich_text_block(*elements: Json) -> Json:
    """Return a block of rich text."""
    return {"type": "rich_text", "elements": list(elements)}


def code_element(words: str, **more: Any) -> Json:
    """Return a code block."""
    return {"type": "rich_text_preformatted", "elements": [text_element(words)], **more}


def list_element(*items: str, **more: Any) -> Json:
    """Return a list."""
    return {
        "type": "rich_text_list",
        "elements": [section_element(text_element(i)) for i in items],
        **more,
    }


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (section_element(text_element("plain 2 * 3 < 7")), "plain 2 * 3 < 7"),
        (
            section_element(
                text_element("a "), text_element("bold", bold=True), text_element(" b")
            ),
            "a **bold** b",
        ),
        (
            section_element(text_element("it", italic=True), text_element(" off", strike=True)),
            "*it* ~~off~~",
        ),
        (section_element(text_element(" both ", bold=True, italic=True)), " ***both*** "),
        (section_element(text_element("x ** 2", code=True)), "`x ** 2`"),
        (section_element(text_element("a ` b", code=True)), "``a ` b``"),
        (section_element(text_element("`", code=True)), "`` ` ``"),
        (section_element(text_element("f()", code=True, bold=True)), "**`f()`**"),
        (section_element(text_element(" ", bold=True), text_element("x")), " x"),
        (section_element({"type": "link", "url": "https://a.example"}), "https://a.example"),
        (
            section_element({"type": "link", "url": "https://a.example", "text": "docs"}),
            "[docs](https://a.example)",
        ),
        (section_element({"type": "emoji", "name": "wave"}), ":wave:"),
        (code_element("x = 1\n\ty  \n", language="python"), "```python\nx = 1\n\ty  \n\n```"),
        (code_element("plain"), "```\nplain\n```"),
        (
            code_element("```\ninner\n```", language="markdown"),
            "````markdown\n```\ninner\n```\n````",
        ),
        (list_element("one", "two", style="bullet"), "- one\n- two"),
        (list_element("one", "two", style="ordered"), "1. one\n2. two"),
        (list_element("three", style="ordered", offset=2, indent=1), "   3. three"),
        (
            {"type": "rich_text_quote", "elements": [text_element("said\n\nso")]},
            "> said\n>\n> so",
        ),
    ],
)
def test_each_element_kind_has_markdown(element: Json, words: str) -> None:
    """Styles, code, lists, quotes and links become Markdown."""
    assert to_markdown([rich_text_block(element)]) == words


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_worker_blocks_round_trip_to_markdown(sample: RichTextSample) -> None:
    """The Markdown of a reply survives the worker's blocks."""
    assert to_markdown(sample.message_blocks) == sample.recovered


def test_only_rich_text_blocks_are_read() -> None:
    """Disclaimer, notices and buttons are skipped."""
    blocks = [
        rich_text_block(section_element(text_element("Use a lock."))),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "may be wrong"}]},
        {"type": "actions", "elements": []},
        rich_text_block(
            code_element("lock.acquire()", language="python"),
            section_element(text_element("Done.")),
        ),
    ]

    assert to_markdown(blocks) == "Use a lock.\n\n```python\nlock.acquire()\n```\n\nDone."


def test_element_inside_element_keeps_its_lines() -> None:
    """Paragraphs, lists and code inside another element stay apart."""
    quote = {
        "type": "rich_text_quote",
        "elements": [
            section_element(text_element("a")),
            list_element("b", "c", style="bullet"),
            code_element("  d"),
        ],
    }
    words = to_markdown([rich_text_block(quote)])

    assert [line.lstrip("> ") for line in words.split("\n") if line.strip("> ")] == [
        *("a", "- b", "- c", "```", "d", "```"),
    ]
    assert ">   d" in words


def test_nested_list_stays_one_list() -> None:
    """The pieces of a nested list are joined without blank lines."""
    pieces = [
        section_element(text_element("So:\n")),
        list_element("a", style="bullet"),
        list_element("a1", style="bullet", indent=1),
        list_element("b", style="bullet"),
    ]

    assert to_markdown([rich_text_block(*pieces)]) == "So:\n\n- a\n   - a1\n- b"


@given(st.text().filter(str.strip))
def test_code_block_round_trips_exactly(words: str) -> None:
    """The fence is longer than any run of backticks in the code."""
    fence, _, rest = to_markdown([rich_text_block(code_element(words))]).partition("\n")

    assert rest == f"{words}\n{fence}"
    assert fence not in words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "elements", "style", "text", "url", "indent", "offset"]),
            inner
            | st.sampled_from(["rich_text_list", "rich_text_section", "link", "emoji", "ordered"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.fixed_dictionaries({"type": st.just("rich_text"), "elements": JSON})))
def test_malformed_blocks_raise_no_error(blocks: list[Json]) -> None:
    """Random blocks never raise."""
    assert isinstance(to_markdown(blocks), str)
