"""Rich text of plain messages: what Slack makes of mrkdwn, within the schema and in linear time."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.block_kit import validate_blocks
from fakeslack.block_kit.emoji import CHARACTERS
from fakeslack.block_kit.rich_text import RICH_TEXT
from fakeslack.block_kit.text_blocks import build_text_block
from fakeslack.ui.page import STATIC_DIRECTORY

Json = dict[str, Any]
MARKUP = st.lists(
    st.sampled_from(
        [
            *("*", "_", "~", "`", "```", "&gt;", ">", "\n", " ", ":wave:", "::skin-tone-3:", ":"),
            *("<@U1>", "<#C1|a>", "<!here>", "<!date^1^{date}|x>", "<https://a.b|c>", "<", "|"),
            *("https://a.b.", "a", "B c", "é", "&amp;", "**", "<!x>", "<!subteam^S1|@g>"),
        ]
    ),
    max_size=40,
).map("".join)


def text(words: str, *styles: str) -> Json:
    """Return a text element."""
    element: Json = {"type": "text", "text": words}
    return element | {"style": dict.fromkeys(styles, True)} if styles else element


def section(*elements: Json) -> Json:
    """Return a section."""
    return {"type": "rich_text_section", "elements": list(elements)}


def quote(*elements: Json) -> Json:
    """Return a quote."""
    return {"type": "rich_text_quote", "elements": list(elements)}


def code(*elements: Json) -> Json:
    """Return a code block."""
    return {"type": "rich_text_preformatted", "elements": list(elements), "border": 0}


def build_elements(words: str, **options: bool) -> list[Json]:
    """Return the elements that Slack makes of a text, after a check of their schema."""
    block = build_text_block(words, **options)
    assert block is not None
    elements: list[Json] = validate_blocks([block])[0]["elements"]
    return elements


@pytest.mark.parametrize(
    ("words", "elements"),
    [
        ("*b* _c_ ~d~", [("b", "bold"), " ", ("c", "italic"), " ", ("d", "strike")]),
        ("*a _b_*", [("a ", "bold"), ("b", "bold", "italic")]),
        ("*`a` b*", [("a", "code", "bold"), (" b", "bold")]),
        ("*a _b* c_", [("a _b", "bold"), " c_"]),
        ("**a** __b__ ~~c~~", ["**a** __b__ ~~c~~"]),
        ("a*b* 2 * 3 * 4 snake_case_name *a", ["a*b* 2 * 3 * 4 snake_case_name *a"]),
        ("*a\nb*", ["*a\nb*"]),
        ("&lt;b&gt; &amp;amp; <b> <!x>", ["<b> &amp; <b> <!x>"]),
        ("std::x::y 10:30:45 :nonsense:", ["std::x::y 10:30:45 :nonsense:"]),
        ("http:// <x y>", ["http:// <x y>"]),
    ],
)
def test_styles_need_marks_around_words(words: str, elements: list[str | tuple[str, ...]]) -> None:
    """A mark inside a word, beside a blank, doubled or without a partner is text."""
    expected = [text(e) if isinstance(e, str) else text(*e) for e in elements]
    [paragraph] = build_elements(words)
    assert paragraph["elements"] == expected


@pytest.mark.parametrize(
    ("token", "element"),
    [
        ("<@U1>", {"type": "user", "user_id": "U1"}),
        ("<@W1|ada>", {"type": "user", "user_id": "W1"}),
        ("<#C1|general>", {"type": "channel", "channel_id": "C1"}),
        ("<!subteam^S1|@team>", {"type": "usergroup", "usergroup_id": "S1"}),
        ("<!here>", {"type": "broadcast", "range": "here"}),
        ("<https://a.b/?c=1&amp;d>", {"type": "link", "url": "https://a.b/?c=1&d"}),
        ("<https://a.b|A &amp; B>", {"type": "link", "url": "https://a.b", "text": "A & B"}),
        ("<mailto:a@b.c|a@b.c>", {"type": "link", "url": "mailto:a@b.c", "text": "a@b.c"}),
        ("https://a.b/c", {"type": "link", "url": "https://a.b/c"}),
        (
            "<!date^1700000000^{date}^https://a.b|day>",
            {
                "type": "date",
                "timestamp": 1_700_000_000,
                "format": "{date}",
                "url": "https://a.b",
                "fallback": "day",
            },
        ),
        ("<!date^1^{time}>", {"type": "date", "timestamp": 1, "format": "{time}"}),
        (":tada:", {"type": "emoji", "name": "tada", "unicode": "1f389"}),
        (
            ":wave::skin-tone-3:",
            {"type": "emoji", "name": "wave", "skin_tone": 3, "unicode": "1f44b-1f3fc"},
        ),
    ],
)
def test_tokens_become_elements_with_mrkdwn_off_too(token: str, element: Json) -> None:
    """Links, mentions, dates and emoji are no formatting; styles are."""
    bold = element | {"style": {"bold": True}}

    assert build_elements(f"*a {token}*.") == [section(text("a ", "bold"), bold, text("."))]
    assert build_elements(f"*a {token}*.", mrkdwn=False) == [
        section(text("*a "), element, text("*."))
    ]


def test_bare_url_is_text_if_the_caller_links_none() -> None:
    """Slack's `parse=none` removes such links, and keeps those in angle brackets."""
    link = {"type": "link", "url": "https://c.d"}

    assert build_elements("https://a.b <https://c.d>", link_urls=False) == [
        section(text("https://a.b "), link)
    ]


def test_code_blocks_and_quotes_split_the_text() -> None:
    """A section ends with its line's end, and nothing in code is parsed but links and mentions."""
    words = "see:\n```\n*x* &lt; <https://a.b>\n```\nthen\n&gt; *a*\n&gt;b\n\nend"

    assert build_elements(words) == [
        section(text("see:\n")),
        code(text("*x* < "), {"type": "link", "url": "https://a.b"}),
        section(text("then\n")),
        quote(text("a", "bold"), text("\nb")),
        section(text("\nend")),
    ]
    assert build_elements(words, mrkdwn=False)[0]["elements"][0]["text"].startswith("see:\n```")


@pytest.mark.parametrize(
    ("words", "elements"),
    [
        ("```a``````b```", [code(text("a")), code(text("b"))]),
        ("```a", [section(text("```a"))]),
        ("```List<x y>```", [code(text("List<x y>"))]),
        (
            "a ```python\nb``` c",
            [section(text("a ")), code(text("python\nb")), section(text(" c"))],
        ),
        ("&gt;&gt;&gt; a\nb", [quote(text("a\nb"))]),
        ("a\n>b", [section(text("a\n")), quote(text("b"))]),
        ("• a\n- b\n1. c", [section(text("• a\n- b\n1. c"))]),
    ],
)
def test_bullets_and_languages_are_text(words: str, elements: list[Json]) -> None:
    """Slack's mrkdwn has no lists, and a fence in it has no language."""
    assert build_elements(words) == elements


@given(st.text() | MARKUP, st.booleans(), st.booleans())
def test_any_text_has_a_valid_block(words: str, mrkdwn: bool, link_urls: bool) -> None:  # noqa: FBT001 - drawn
    """The block passes the schema of `rich_text`; only a blank text has none."""
    block = build_text_block(words, mrkdwn=mrkdwn, link_urls=link_urls)
    assert (block is None) == (not words.strip())
    assert block is None or list(RICH_TEXT(block, "")) == []


@pytest.mark.parametrize(
    "piece",
    [
        *("`", "`a`", "*a ", "_*~", " *a _b ~c", "<a", "```", "```a", ":a", ":", "https://"),
        *(
            "https://.",
            "&gt;\n",
            "a\n&gt;b\n",
            "<@U1>",
            "\n",
            ">",
            "🙂",
            f"<https://{'a' * 3_000}>",
        ),
    ],
)
def test_hostile_text_is_parsed_in_linear_time(piece: str) -> None:
    """The longest texts that Slack takes end within the test's time limit; longer have no block."""
    block = build_text_block((piece * 40_000)[:40_000])
    assert block is None or list(RICH_TEXT(block, "")) == []
    assert build_text_block("a" * 40_001) is None


def test_page_and_parser_know_the_same_emoji() -> None:
    """The page draws each emoji that the parser finds."""
    script = (STATIC_DIRECTORY / Path("blocks/emoji.js")).read_text()
    names = re.findall(r'^  "?([^":]+)"?: "([^"]+)",$', script, re.MULTILINE)
    assert dict(names) == CHARACTERS
