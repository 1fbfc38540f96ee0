"""An earlier reply comes back from Slack's blocks as the Markdown that it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages.rich_text import markdown
from testing.rich_text_samples import SAMPLES, RichTextSample

Json = dict[str, Any]


def text(words: str, **style: bool) -> Json:
    """Return a piece of text."""
    return {"type": "text", "text": words, **({"style": style} if style else {})}


def section(*elements: Json) -> Json:
    """Return a paragraph."""
    return {"type": "rich_text_section", "elements": list(elements)}


def block(*elements: Json) -> Json:
    """Return a block of rich text."""
    return {"type": "rich_text", "elements": list(elements)}


def code(words: str, **more: Any) -> Json:
    """Return a code block."""
    return {"type": "rich_text_preformatted", "elements": [text(words)], **more}


def listed(*items: str, **more: Any) -> Json:
    """Return a list."""
    return {"type": "rich_text_list", "elements": [section(text(i)) for i in items], **more}


@pytest.mark.parametrize(
    ("element", "words"),
    [
        (section(text("plain 2 * 3 < 7")), "plain 2 * 3 < 7"),
        (section(text("a "), text("bold", bold=True), text(" b")), "a **bold** b"),
        (section(text("it", italic=True), text(" off", strike=True)), "*it* ~~off~~"),
        (section(text(" both ", bold=True, italic=True)), " ***both*** "),
        (section(text("x ** 2", code=True)), "`x ** 2`"),
        (section(text("a ` b", code=True)), "``a ` b``"),
        (section(text("`", code=True)), "`` ` ``"),
        (section(text("f()", code=True, bold=True)), "**`f()`**"),
        (section(text(" ", bold=True), text("x")), " x"),
        (section({"type": "link", "url": "https://a.example"}), "https://a.example"),
        (
            section({"type": "link", "url": "https://a.example", "text": "docs"}),
            "[docs](https://a.example)",
        ),
        (section({"type": "emoji", "name": "wave"}), ":wave:"),
        (code("x = 1\n\ty  \n", language="python"), "```python\nx = 1\n\ty  \n\n```"),
        (code("plain"), "```\nplain\n```"),
        (code("```\ninner\n```", language="markdown"), "````markdown\n```\ninner\n```\n````"),
        (listed("one", "two", style="bullet"), "- one\n- two"),
        (listed("one", "two", style="ordered"), "1. one\n2. two"),
        (listed("three", style="ordered", offset=2, indent=1), "   3. three"),
        (
            {"type": "rich_text_quote", "elements": [text("said\n\nso")]},
            "> said\n>\n> so",
        ),
    ],
)
def test_each_kind_of_element_has_its_markdown(element: Json, words: str) -> None:
    """Styles, code, lists, quotes and links come back; code to the byte."""
    assert markdown([block(element)]) == words


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_the_worker_posts_is_what_the_bot_reads(sample: RichTextSample) -> None:
    """A reply comes back from the blocks that the worker makes of it."""
    assert markdown(sample.message_blocks) == sample.recovered


def test_only_the_words_of_the_reply_come_back() -> None:
    """Disclaimer, notices and buttons are not among what was said."""
    blocks = [
        block(section(text("Use a lock."))),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "may be wrong"}]},
        {"type": "actions", "elements": []},
        block(code("lock.acquire()", language="python"), section(text("Done."))),
    ]

    assert markdown(blocks) == "Use a lock.\n\n```python\nlock.acquire()\n```\n\nDone."


def test_a_list_with_depth_stays_one_list() -> None:
    """Slack cuts a list in pieces where its depth changes; they are joined without gaps."""
    pieces = [
        section(text("So:\n")),
        listed("a", style="bullet"),
        listed("a1", style="bullet", indent=1),
        listed("b", style="bullet"),
    ]

    assert markdown([block(*pieces)]) == "So:\n\n- a\n   - a1\n- b"


@given(st.text().filter(str.strip))
def test_code_comes_back_to_the_byte(words: str) -> None:
    """Whatever stands in a code block, its fence can be told from its lines."""
    fence, _, rest = markdown([block(code(words))]).partition("\n")

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
def test_strange_blocks_do_no_harm(blocks: list[Json]) -> None:
    """Blocks that no client of ours wrote are read as far as they make sense."""
    assert isinstance(markdown(blocks), str)
