"""Safety: no model output has an effect in Slack or is rejected."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.language import Language
from testing.slack_parser import find_effects, find_elements, find_problems
from tests.worker.render.hostile_markdown import CASES, LINKS, SLACK, hostile_texts
from worker.render import (
    Message,
    ReplyFacts,
    Snippet,
    compose_final,
    compose_growing,
)
from worker.render.model import MAX_FALLBACK_UNITS

FACTS = ReplyFacts("StarChat-β", "length", 256, dropped_turns=2)


def assert_safe(text: str) -> None:
    """Check the growing and the finished reply."""
    parts = compose_final(text, facts=FACTS)
    assert isinstance(parts[0], Message)
    messages = [part for part in parts if isinstance(part, Message)]
    for message in [*messages, compose_growing(text, Language.ENGLISH)]:
        assert find_problems(message) == []
        assert find_elements([message], "link") == []
    assert len(messages) <= 4
    for file in parts:
        if isinstance(file, Snippet):
            assert 0 < len(file.content) <= 1_000_000
            assert file.filename.startswith("reply")


@given(hostile_texts())
@settings(max_examples=200)
def test_hostile_fragments_have_no_effect(text: str) -> None:
    """Fragments made to ping, link, format or overflow are shown as plain text."""
    assert_safe(text)


@pytest.mark.parametrize("text", CASES.values(), ids=CASES.keys())
def test_known_renderer_attacks_have_no_effect(text: str) -> None:
    """Shapes that are known to break renderers become ordinary posts."""
    assert_safe(text)


@pytest.mark.parametrize("string", [*SLACK, *LINKS])
@pytest.mark.parametrize(
    "place", ["{0}", "word {0} word", "- {0}", "| a |\n|---|\n| {0} |", "```\n{0}\n```", "# {0}"]
)
def test_pings_and_links_stay_text_in_any_block(string: str, place: str) -> None:
    """Mentions and addresses in prose, lists, tables, code and headings have no effect."""
    assert_safe(place.format(string))


@pytest.mark.parametrize("string", SLACK)
def test_ping_across_two_messages_has_no_effect(string: str) -> None:
    """A reply that is split inside a mention makes none of either half."""
    for shift in range(1, len(string), 3):
        assert_safe("x" * (9_440 - shift) + string * 3)


@pytest.mark.parametrize("sign", ["#", "@", ":", "."])
def test_ellipsis_never_follows_a_trigger(sign: str) -> None:
    """The fallback text may be cut right after a trigger character."""
    for length in range(MAX_FALLBACK_UNITS - 12, MAX_FALLBACK_UNITS + 2):
        assert_safe("```\n" + "x" * length + f" {sign}\nname and more\n```")


@given(st.text(alphabet="*_~`<>@#:&. a\n/", max_size=40))
def test_reference_parser_finds_unescaped_markup(text: str) -> None:
    """The tests' own reading of Slack's markup finds every unescaped character."""
    assert any(sign in "<>" for sign in text) <= bool(find_effects(text))


@pytest.mark.parametrize(
    "text",
    ["@here", "see www.evil.example", "evil.com", "*bold*", "a _b_", ":tada:", "<@U1>", "&gt; q",
     "`x`", "~x~", "http://a", "mailto:a@b.c", "> q", "#general", "a@b.com", "&"],
)  # fmt: skip
def test_reference_parser_finds_each_effect(text: str) -> None:
    """Each kind of markup is an effect for the tests' own parser."""
    assert find_effects(text)
