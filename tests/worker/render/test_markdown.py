"""Markdown looks in Slack as its writer meant it, and no word of it is lost."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.rich_text_samples import Json, code, items, section, text
from testing.slack_parser import words
from tests.worker.render.hostile_markdown import MARKS
from worker.render import Facts, Message, final

FACTS = Facts("StarChat-β", "stop", 256)


def elements(written: str) -> list[Json]:
    """Return the rich text elements of a short reply."""
    (message,) = final(written, facts=FACTS)
    assert isinstance(message, Message)
    found: list[Json] = message.blocks[0]["elements"]
    return found


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("the __init__ method", [text("the __init__ method")]),
        ("__two words__", [text("two words", "bold")]),
        ("__`x`__", [text("x", "bold", "code")]),
        ("a*b*c and 2**n**2", [text("a*b*c and 2**n**2")]),
        ("f(*args, **kw) * 2", [text("f(*args, **kw) * 2")]),
        ("snake_case_name", [text("snake_case_name")]),
        ("这是**重点**吗", [text("这是"), text("重点", "bold"), text("吗")]),
        ("**a *b* c**", [text("a ", "bold"), text("b", "bold", "italic"), text(" c", "bold")]),
        ("**open and *half", [text("**open and *half")]),
        ("[label](http://half", [text("[label]("), text("http://half", "code")]),
        (r"\*not\* \`code\`", [text("*not* `code`")]),
        ("&lt;b&gt; &copy;", [text("&lt;b&gt; &copy;")]),
        ("<b>bold</b> <!-- c -->", [text("<b>bold</b> <!-- c -->")]),
        ("one  \ntwo\\\nthree", [text("one\ntwo\nthree")]),
        ("[x]: http://a.b 'T'", [text("[x]: "), text("http://a.b", "code"), text(" 'T'")]),
        ("[a][b] [c]", [text("[a][b] [c]")]),
        ("[a]()", [text("a ()")]),
        ("# `f` *x*", [
            text("f", "bold", "code"), text(" ", "bold"), text("x", "bold", "italic"),
        ]),
    ],
)  # fmt: skip
def test_what_stands_in_a_paragraph_looks_as_it_is_meant(written: str, shown: list[Json]) -> None:
    """Styles become styles; what is more likely code, or only half Markdown, stays as written."""
    assert elements(written) == [section(*shown)]


def test_a_dashed_line_below_words_is_a_rule_and_no_heading() -> None:
    """Models write a rule without the empty line that Markdown asks for."""
    assert elements("words\n---\nmore") == [section(text("words\n\n────────────\n\nmore"))]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("- a\n\n  more of a\n- b", [
            items(section(text("a"))), section(text("more of a")), items(section(text("b"))),
        ]),
        ("3. c\n4. d", [items(section(text("c")), section(text("d")), style="ordered", offset=2)]),
        ("0. a\n1. b", [
            items(section(text("a")), section(text("b")), style="ordered"),
        ]),
        ("1. a\n   - b\n2. c", [
            items(section(text("a")), style="ordered"),
            items(section(text("b")), indent=1),
            items(section(text("c")), style="ordered", offset=1),
        ]),
        ("- [ ] todo\n- [x] done", [items(section(text("[ ] todo")), section(text("[x] done")))]),
        ("-\n- b", [items(section(text("b")))]),
        ("- # head", [items(section(text("head", "bold")))]),
    ],
)  # fmt: skip
def test_lists_keep_their_numbers_and_depth(written: str, shown: list[Json]) -> None:
    """An item's own paragraphs, blocks and lists stand where they belong."""
    assert elements(written) == shown


def test_lists_deeper_than_slack_shows_stay_at_the_deepest() -> None:
    """The twelfth level is shown at the eighth."""
    written = "\n".join("  " * n + f"- {n}" for n in range(12))

    assert [found["indent"] for found in elements(written)] == [*range(9), 8, 8, 8]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("| a | |\n|---|---|", "a │\n──┼──"),
        ("| a |\n|---|\n| long cell |", "a\n─────────\nlong cell"),
        ("a | b\n-|-:\nx | 10 | extra\ny", "a │  b │\n──┼────┼──────\nx │ 10 │ extra\ny │    │"),
        ("| `a` | c\\|d |\n|:-:|--|\n| **x** | |", "a │ c|d\n──┼────\nx │"),
        ("|名前|n|\n|-|-|\n|日|1|\n|e\u0301|2|", "名前 │ n\n─────┼──\n日   │ 1\ne\u0301    │ 2"),
    ],
)  # fmt: skip
def test_tables_are_drawn_in_columns_with_every_cell(written: str, shown: str) -> None:
    """Wide and combining signs count as they look; a row longer than its header is whole."""
    assert elements(written) == [code(shown)]


def test_a_table_may_follow_a_paragraph_at_once() -> None:
    """Models leave out the empty line before a table."""
    assert elements("words\n| a |\n|---|\n| b |") == [section(text("words")), code("a\n─\nb")]


def test_a_heading_without_words_shows_nothing() -> None:
    """Slack refuses empty text."""
    assert elements("#\n\nwords\n\n##") == [section(text("words"))]


def test_a_table_in_a_quote_has_no_quote_marks_in_its_cells() -> None:
    """What stands before each line of a quote is not part of its table."""
    assert elements("> | a |\n> |---|\n> | b |") == [code("a\n─\nb")]


@st.composite
def _worded(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Marks in any order between words that each occur once."""
    text, found = "", []
    for number in range(draw(st.integers(1, 25))):
        word = f"Q{number}Z"
        found.append(word)
        mark = draw(st.sampled_from([m for m in MARKS if "://" not in m] + ["\n", "\n\n", " "]))
        text += mark + word + draw(st.sampled_from(["", " ", "\n", "**", "`", "|", ")"]))
    return text, found


@given(_worded())
@settings(max_examples=150)
def test_no_word_is_lost_or_moved(reply: tuple[str, list[str]]) -> None:
    """Whatever marks stand around them, all words are shown, in their order."""
    text, found = reply

    assert re.findall(r"Q\d+Z", words(final(text, facts=FACTS))) == found


@pytest.mark.parametrize("count", [39, 40, 41, 79, 80, 81, 200])
@pytest.mark.parametrize("mark", [">", "- ", "1. ", "> - "])
def test_words_inside_any_number_of_lists_and_quotes_are_shown(mark: str, count: int) -> None:
    """Nesting that no reader could follow is shown as written instead of being left out."""
    assert "deep" in words(final(mark * count + "deep", facts=FACTS))


@pytest.mark.parametrize("step", [1, 2, 3])
def test_words_in_lists_that_grow_ever_deeper_are_shown(step: int) -> None:
    """Levels that deepen line by line are all there."""
    written = "\n".join(" " * step * n + f"- Q{n}Z" for n in range(90))

    shown = words(final(written, facts=FACTS))
    assert re.findall(r"Q\d+Z", shown) == [f"Q{n}Z" for n in range(90)]
