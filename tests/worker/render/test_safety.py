"""Whatever the model writes, a post sets nothing off in Slack and is never refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.slack_parser import find_effects, find_elements, find_problems
from tests.worker.render.hostile_markdown import CASES, LINKS, SLACK, hostile_texts
from worker.render import (
    Message,
    ReplyFacts,
    Snippet,
    compose_final,
    compose_growing,
    compose_stopped,
)
from worker.render.model import MAX_FALLBACK_UNITS

FACTS = ReplyFacts("StarChat-β", "length", 256, dropped_turns=2)


def assert_safe(text: str) -> None:
    """Check the reply while it grows, when it is stopped, and when it is done."""
    parts = compose_final(text, facts=FACTS)
    assert isinstance(parts[0], Message)
    messages = [part for part in parts if isinstance(part, Message)]
    for message in [*messages, compose_growing(text), compose_stopped(text)]:
        assert find_problems(message) == []
        assert find_elements([message], "link") == []
    assert len(messages) <= 4
    for file in parts:
        if isinstance(file, Snippet):
            assert 0 < len(file.content) <= 1_000_000
            assert file.filename.startswith("reply")


@given(hostile_texts())
@settings(max_examples=200)
def test_no_text_of_the_model_acts_in_slack_or_is_refused(text: str) -> None:
    """Fragments made to ping, link, format or overflow come out as plain words."""
    assert_safe(text)


@pytest.mark.parametrize("text", CASES.values(), ids=CASES.keys())
def test_hostile_replies_are_posted_safely(text: str) -> None:
    """The shapes that are known to break renderers become posts like any other."""
    assert_safe(text)


@pytest.mark.parametrize("string", [*SLACK, *LINKS])
@pytest.mark.parametrize(
    "place", ["{0}", "word {0} word", "- {0}", "| a |\n|---|\n| {0} |", "```\n{0}\n```", "# {0}"]
)
def test_pings_and_links_stay_words_wherever_they_stand(string: str, place: str) -> None:
    """A mention or an address in prose, lists, tables, code and headings does nothing."""
    assert_safe(place.format(string))


@pytest.mark.parametrize("string", SLACK)
def test_a_ping_across_the_border_of_two_messages_does_nothing(string: str) -> None:
    """A reply that is cut in the middle of a mention makes none of either half."""
    for shift in range(1, len(string), 3):
        assert_safe("x" * (9_440 - shift) + string * 3)


@pytest.mark.parametrize("sign", ["#", "@", ":", "."])
def test_the_mark_of_a_cut_never_follows_a_sign_at_once(sign: str) -> None:
    """The plain text beside the blocks may be cut right behind a sign and its space."""
    for length in range(MAX_FALLBACK_UNITS - 12, MAX_FALLBACK_UNITS + 2):
        assert_safe("```\n" + "x" * length + f" {sign}\nname and more\n```")


@given(st.text(alphabet="*_~`<>@#:&. a\n/", max_size=40))
def test_the_judge_of_these_tests_sees_what_is_not_neutralised(text: str) -> None:
    """The reference reading of Slack's markup finds every unescaped sign."""
    assert any(sign in "<>" for sign in text) <= bool(find_effects(text))


@pytest.mark.parametrize(
    "text",
    ["@here", "see www.evil.example", "evil.com", "*bold*", "a _b_", ":tada:", "<@U1>", "&gt; q",
     "`x`", "~x~", "http://a", "mailto:a@b.c", "> q", "#general", "a@b.com", "&"],
)  # fmt: skip
def test_the_judge_of_these_tests_is_strict(text: str) -> None:
    """Each kind of markup is an effect in the reference reading."""
    assert find_effects(text)
