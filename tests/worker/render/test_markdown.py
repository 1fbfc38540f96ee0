"""Markdown: shown in Slack as intended, without losing a word."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.rich_text_samples import (
    Json,
    code_element,
    list_element,
    section_element,
    text_element,
)
from testing.slack_parser import model_text
from tests.worker.render.hostile_markdown import MARKS
from worker.render import Message, ReplyFacts, compose_final

span, line, items = text_element, section_element, list_element

FACTS = ReplyFacts("StarChat-β", "stop", 256)


def reply_elements(written: str) -> list[Json]:
    """Return the rich text elements of a short reply."""
    (message,) = compose_final(written, facts=FACTS)
    assert isinstance(message, Message)
    words: list[Json] = message.blocks[0]["elements"]
    return words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("the __init__ method", [span("the __init__ method")]),
        ("__two words__", [span("two words", "bold")]),
        ("__`x`__", [span("x", "bold", "code")]),
        ("a*b*c and 2**n**2", [span("a*b*c and 2**n**2")]),
        ("f(*args, **kw) * 2", [span("f(*args, **kw) * 2")]),
        ("snake_case_name", [span("snake_case_name")]),
        ("这是**重点**吗", [span("这是"), span("重点", "bold"), span("吗")]),
        ("**a *b* c**", [span("a ", "bold"), span("b", "bold", "italic"), span(" c", "bold")]),
        ("**open and *half", [span("**open and *half")]),
        ("[label](http://half", [span("[label]("), span("http://half", "code")]),
        (r"\*not\* \`code\`", [span("*not* `code`")]),
        ("&lt;b&gt; &copy;", [span("<b> ©")]),
        ("<b>bold</b> <!-- c -->", [span("<b>bold</b> <!-- c -->")]),
        ("one  \ntwo\\\nthree", [span("one\ntwo\nthree")]),
        ("[x]: http://a.b 'T'", [span("[x]: "), span("http://a.b", "code"), span(" 'T'")]),
        ("[a][b] [c]", [span("[a][b] [c]")]),
        ("[a]()", [span("a ()")]),
        (
            "# `f` *x*",
            [
                span("f", "bold", "code"),
                span(" ", "bold"),
                span("x", "bold", "italic"),
            ],
        ),
    ],
)
def test_inline_markdown_is_styled(written: str, shown: list[Json]) -> None:
    """What is more likely code, or only half Markdown, stays as written."""
    assert reply_elements(written) == [line(*shown)]


def test_dashes_below_text_are_a_rule() -> None:
    """Models write a rule without the empty line that Markdown asks for."""
    assert reply_elements("words\n---\nmore") == [line(span("words\n\n────────────\n\nmore"))]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "- a\n\n  more of a\n- b",
            [
                items(line(span("a"))),
                line(span("more of a")),
                items(line(span("b"))),
            ],
        ),
        ("3. c\n4. d", [items(line(span("c")), line(span("d")), style="ordered", offset=2)]),
        (
            "0. a\n1. b",
            [
                items(line(span("0. a")), line(span("1. b"))),
            ],
        ),
        (
            "1. a\n   - b\n2. c",
            [
                items(line(span("a")), style="ordered"),
                items(line(span("b")), indent=1),
                items(line(span("c")), style="ordered", offset=1),
            ],
        ),
        ("- [ ] todo\n- [x] done", [items(line(span("[ ] todo")), line(span("[x] done")))]),
        ("-\n- b", [items(line(span("b")))]),
        ("- # head", [items(line(span("head", "bold")))]),
    ],
)
def test_lists_keep_numbers_and_depth(written: str, shown: list[Json]) -> None:
    """An item's paragraphs, blocks and lists belong to it."""
    assert reply_elements(written) == shown


def test_list_depth_is_bounded() -> None:
    """The twelfth level is shown at the eighth, Slack's maximum."""
    written = "\n".join("  " * n + f"- {n}" for n in range(12))

    assert [words["indent"] for words in reply_elements(written)] == [*range(9), 8, 8, 8]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("| a | |\n|---|---|", "a │\n──┼──"),
        ("| a |\n|---|\n| long cell |", "a\n─────────\nlong cell"),
        ("a | b\n-|-:\nx | 10 | extra\ny", "a │  b │\n──┼────┼──────\nx │ 10 │ extra\ny │    │"),
        ("| `a` | c\\|d |\n|:-:|--|\n| **x** | |", "a │ c|d\n──┼────\nx │"),
        ("|名前|n|\n|-|-|\n|日|1|\n|e\u0301|2|", "名前 │ n\n─────┼──\n日   │ 1\ne\u0301    │ 2"),
    ],
)
def test_tables_are_drawn_with_every_cell(written: str, shown: str) -> None:
    """Wide and combining characters are measured; a row longer than its header is complete."""
    assert reply_elements(written) == [code_element(shown)]


def test_table_may_follow_a_paragraph_directly() -> None:
    """Models leave out the empty line before a table."""
    assert reply_elements("words\n| a |\n|---|\n| b |") == [
        line(span("words")),
        code_element("a\n─\nb"),
    ]


def test_empty_heading_shows_nothing() -> None:
    """Slack rejects empty text."""
    assert reply_elements("#\n\nwords\n\n##") == [line(span("words"))]


def test_table_in_a_quote_has_no_quote_marks() -> None:
    """The quote marks before each line are no part of its cells."""
    assert reply_elements("> | a |\n> |---|\n> | b |") == [code_element("a\n─\nb")]


@st.composite
def _marked_words(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Marks in any order between words that each occur once."""
    text, words = "", []
    for number in range(draw(st.integers(1, 25))):
        word = f"Q{number}Z"
        words.append(word)
        mark = draw(st.sampled_from([m for m in MARKS if "://" not in m] + ["\n", "\n\n", " "]))
        text += mark + word + draw(st.sampled_from(["", " ", "\n", "**", "`", "|", ")"]))
    return text, words


@given(_marked_words())
@settings(max_examples=150)
def test_no_word_is_lost_or_moved(reply: tuple[str, list[str]]) -> None:
    """For any marks around them, all words are shown in order."""
    text, words = reply

    assert re.findall(r"Q\d+Z", model_text(compose_final(text, facts=FACTS))) == words


@pytest.mark.parametrize("count", [39, 40, 41, 79, 80, 81, 200])
@pytest.mark.parametrize("mark", [">", "- ", "1. ", "> - "])
def test_deeply_nested_words_are_shown(mark: str, count: int) -> None:
    """Very deep nesting is shown as written."""
    assert "deep" in model_text(compose_final(mark * count + "deep", facts=FACTS))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_words_in_ever_deeper_lists_are_shown(step: int) -> None:
    """Lists that deepen line by line are complete."""
    written = "\n".join(" " * step * n + f"- Q{n}Z" for n in range(90))

    shown = model_text(compose_final(written, facts=FACTS))
    assert re.findall(r"Q\d+Z", shown) == [f"Q{n}Z" for n in range(90)]
