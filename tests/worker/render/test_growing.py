"""Replies in progress: readable at every moment, without flicker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.language import Language
from testing.code_replies import generate_replies
from testing.rich_text_samples import SAMPLES, RichTextSample
from testing.slack_parser import context_texts, extract_code_lines, find_problems, model_text
from tests.worker.render.hostile_markdown import hostile_texts
from worker.render import compose_growing, compose_stop_notice, texts


def visible_text(text: str) -> str:
    """Return the model's text in the growing reply."""
    return model_text([compose_growing(text, Language.ENGLISH)])


def test_empty_growing_reply_shows_progress() -> None:
    """Before the first word the message has one note."""
    message = compose_growing("", Language.ENGLISH)

    assert context_texts(message) == [str(texts.WRITING)]
    assert [block["type"] for block in message.blocks] == ["context"]
    assert message.text == str(texts.WRITING)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_growing_reply_becomes_the_final_blocks(sample: RichTextSample) -> None:
    """At its end it has the final blocks, except for links."""
    if not sample.known_texts:
        message = compose_growing(
            sample.markdown + ("\n\n" if "table" in sample.name else "\n"), Language.ENGLISH
        )
        assert message.blocks[0] == {"type": "rich_text", "elements": sample.elements}
        assert context_texts(message) == [str(texts.WRITING)]


@given(hostile_texts(), st.data())
@settings(max_examples=100)
def test_every_prefix_of_a_reply_can_be_shown(text: str, data: st.DataObject) -> None:
    """At any length the message is valid for Slack and pings no user."""
    beginning = text[: data.draw(st.integers(0, len(text)))]

    assert find_problems(compose_growing(beginning, Language.ENGLISH)) == []


@pytest.mark.parametrize(
    ("beginning", "visible"),
    [
        ("A **bol", "A **bol"),
        ("A **bold**", "A bold"),
        ("Use `co", "Use `co"),
        ("See [the docs](https://a.exa", "See [the docs](https://a.exa"),
        ("Look:\n```", "Look:"),
        ("Look:\n```pyth", "Look:"),
        ("Look:\n```python\n", "Look:"),
        ("Look:\n```python\nx = 1", "Look:x = 1"),
        ("Look:\n```python\nx = 1\n``", "Look:x = 1"),
        ("Look:\n```python\nx = 1\n```", "Look:x = 1"),
        ("Look:\n- ```sh", "Look:"),
        ("Look:\n#", "Look:"),
        ("Look:\n-", "Look:"),
        ("Look:\n- a\n1", "Look:a"),
        ("Look:\n> ", "Look:"),
        ("Look:\n\n| a | b", "Look:"),
        ("Look:\n\n| a | b |\n|--", "Look:"),
        ("Look:\n\n| a |\n|---|\n| x |\n| y", "Look:a\n─\nx"),
        ("It is 4", "It is 4"),
    ],
)
def test_incomplete_markup_is_text_or_held_back(beginning: str, visible: str) -> None:
    """A possible fence, list or table is held back; an open style shows as text."""
    assert visible_text(beginning) == visible


def test_growing_code_never_loses_a_line() -> None:
    """A code line that was shown is never taken back."""
    text, code = next(generate_replies(1))
    before: list[str] = []
    for end in range(0, 2_000, 17):
        lines = extract_code_lines([compose_growing(text[:end], Language.ENGLISH)])
        assert lines[:-1] == code[: max(0, len(lines) - 1)]
        assert len(lines) >= len(before) - 1
        before = lines


def test_long_growing_reply_shows_start_and_length() -> None:
    """The reader continues from the start while the length shows that more is coming."""
    text = "word " * 4_000
    message = compose_growing(text, Language.ENGLISH)

    assert find_problems(message) == []
    assert text.startswith(model_text([message]))
    assert context_texts(message) == [str(texts.describe_overflow(20_000))]
    assert compose_growing(text + "more ", Language.ENGLISH).blocks[0] == message.blocks[0]


def test_reply_that_was_stopped_before_its_first_text_says_by_whom() -> None:
    """A person is named; without one, an operator has used RQ's tools."""
    assert context_texts(compose_stop_notice("Ada", Language.ENGLISH)) == ["Stopped by Ada."]
    assert context_texts(compose_stop_notice("", Language.ENGLISH)) == [str(texts.STOPPED)]
    assert find_problems(compose_stop_notice("<!channel> *Ada*", Language.ENGLISH)) == []
