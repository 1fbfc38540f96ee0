"""A reply that grows is readable at every moment and does not flicker."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testing.code_replies import generate_replies
from testing.rich_text_samples import SAMPLES, RichTextSample
from testing.slack_parser import context_texts, extract_code_lines, find_problems, model_text
from tests.worker.render.hostile_markdown import hostile_texts
from worker.render import compose_growing, compose_stopped, texts


def visible_text(text: str) -> str:
    """Return the model's words in the growing reply."""
    return model_text([compose_growing(text)])


def test_before_the_first_word_there_is_a_sign_of_life() -> None:
    """An empty reply is a message with one line below nothing."""
    message = compose_growing("")

    assert context_texts(message) == [texts.WRITING]
    assert [block["type"] for block in message.blocks] == ["context"]
    assert message.text == texts.WRITING


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_reply_grows_into_what_it_will_be(sample: RichTextSample) -> None:
    """At its end the growing reply has the final's blocks, but for links of the conversation."""
    if not sample.known_texts:
        message = compose_growing(sample.markdown + ("\n\n" if "table" in sample.name else "\n"))
        assert message.blocks[0] == {"type": "rich_text", "elements": sample.elements}
        assert context_texts(message) == [texts.WRITING]


@given(hostile_texts(), st.data())
@settings(max_examples=100)
def test_every_beginning_of_a_reply_can_be_shown(text: str, data: st.DataObject) -> None:
    """Cut at any place, the text so far is a message that Slack takes and that acts on nobody."""
    beginning = text[: data.draw(st.integers(0, len(text)))]

    assert find_problems(compose_growing(beginning)) == []


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
def test_half_a_mark_is_words_or_waits(beginning: str, visible: str) -> None:
    """What may become a fence, a list or a table is held back; an open style shows as text."""
    assert visible_text(beginning) == visible


def test_code_grows_line_by_line_without_a_line_disappearing() -> None:
    """No beginning of a reply with code shows code lines that a later one takes back."""
    text, code = next(generate_replies(1))
    before: list[str] = []
    for end in range(0, 2_000, 17):
        lines = extract_code_lines([compose_growing(text[:end])])
        assert lines[:-1] == code[: max(0, len(lines) - 1)]
        assert len(lines) >= len(before) - 1
        before = lines


def test_a_reply_beyond_one_message_keeps_its_beginning_and_counts_on() -> None:
    """The reader goes on reading from the start while the length shows that more is coming."""
    text = "word " * 4_000
    message = compose_growing(text)

    assert find_problems(message) == []
    assert text.startswith(model_text([message]))
    assert context_texts(message) == [texts.describe_overflow(20_000)]
    assert compose_growing(text + "more ").blocks[0] == message.blocks[0]


def test_showing_a_long_reply_once_a_second_costs_little() -> None:
    """30,000 characters are read in a small part of the second until the next showing."""
    texts = [text for text, _ in generate_replies(8)]
    began = time.process_time()
    for text in texts:
        compose_growing((text * 6)[:30_000])

    assert (time.process_time() - began) / len(texts) < 0.25


def test_a_stopped_reply_keeps_what_was_written_and_says_so() -> None:
    """The words stay, with why there are no more below them."""
    message = compose_stopped("A **half", "An operator pressed stop.")

    assert model_text([message]) == "A **half"
    assert context_texts(message) == ["An operator pressed stop."]
    assert context_texts(compose_stopped("")) == [texts.STOPPED]
    assert find_problems(compose_stopped("x" * 40_000)) == []
