"""Notes below a finished reply: code checks, notices and the footer."""

import re
from dataclasses import replace

import pytest

from testing.checked_replies import compose_checked
from testing.slack_parser import context_texts, find_elements, find_problems, model_text
from worker.checks.python_code import PYTHON
from worker.render import Message, ReplyFacts, Snippet, compose_final, compose_plain, texts
from worker.render.model import CutReason

FACTS = ReplyFacts("HuggingFaceH4/starchat-beta", "stop", 256)
FOOTER = (
    "Written by starchat-beta, a research model. It may be wrong or insecure. "
    "Its facts were not checked."
)


def reply_context(text: str, facts: ReplyFacts = FACTS) -> list[str]:
    """Return our sentences below the last message of a reply."""
    return context_texts(
        [part for part in compose_checked(text, facts=facts).parts if isinstance(part, Message)][-1]
    )


def test_footer_is_the_last_line() -> None:
    """It is there even if the reply is empty."""
    assert reply_context("Yes.") == [FOOTER]
    assert reply_context("") == [str(texts.EMPTY_REPLY), FOOTER]


def test_empty_reply_is_a_sentence() -> None:
    """An empty reply does not become an empty message."""
    (message,) = compose_final(" \n", facts=FACTS)

    assert isinstance(message, Message)
    assert message.text.startswith(str(texts.EMPTY_REPLY).split(".")[0])
    assert model_text([message]) == ""


def test_spelled_tokens_are_text() -> None:
    """Only an id ends a reply without a word, and an id leaves no text."""
    (message,) = compose_final("It ends with <|endoftext|>", facts=FACTS)

    assert model_text([message]) == "It ends with <|endoftext|>"


def test_reply_that_was_cut_off_says_why() -> None:
    """The reader learns why the reply ends, and how to continue."""
    cut = reply_context("Half a", ReplyFacts("m", "length", 256))
    gone = reply_context("Half a", ReplyFacts("m", "stopped", 256))
    late = reply_context("Half a", ReplyFacts("m", "timeout", 256))

    assert str(texts.describe_ending(ReplyFacts("m", "length", 256))) in cut
    assert str(texts.STOPPED) in gone
    assert str(texts.TIMED_OUT) in late
    for reason in CutReason:
        assert str(texts.ENDINGS[reason]) in reply_context("A", ReplyFacts("m", reason, 256))


@pytest.mark.parametrize(
    ("dropped", "sentence"),
    [
        (1, "This thread is too long for me: I didn't read its oldest message."),
        (3, "This thread is too long for me: I didn't read its 3 oldest messages."),
    ],
)
def test_dropped_turns_are_mentioned(dropped: int, sentence: str) -> None:
    """The reader learns which messages the model did not see."""
    assert sentence in reply_context("Yes.", ReplyFacts("m", "stop", 256, dropped_turns=dropped))


@pytest.mark.parametrize(
    ("shown", "chosen", "sentence"),
    [
        (0, 0, ""),
        (0, 2, ""),
        (2, 2, "This is candidate 3 of 4. It replaced the first one"),
        (1, 2, "This is candidate 2 of 4, after a press of Show another."),
    ],
)
def test_candidate_is_named_where_it_is_not_the_one_that_grew(
    shown: int, chosen: int, sentence: str
) -> None:
    """The reader learns why the text is another one."""
    facts = ReplyFacts("m", "stop", 256, candidates=4, candidate=shown, chosen=chosen)
    words = "\n".join(reply_context("Yes.", facts))

    assert sentence in words
    assert bool(sentence) == ("candidate" in words)


def test_verdict_is_in_the_message_of_its_code() -> None:
    """Each message has the verdicts on its own code."""
    block = "```python\n" + "x = 1\n" * 1_000 + "```\n"
    broken = block.replace("x = 1", "x = = 1")
    first, second = compose_checked(block + broken, facts=FACTS).parts

    assert context_texts(first)[:2] == [f"{PYTHON}: parses", "Part 1 of 2"]
    assert context_texts(second)[:2] == [f"{PYTHON}: does not parse (line 1)", "Part 2 of 2"]


def test_split_code_is_checked_once_as_a_whole() -> None:
    """Half a block may parse by accident; the verdict is in the message where it ends."""
    blocks = ["x = [\n" + "    1,\n" * (880 + n) + "= =]\n" for n in range(5)]
    text = "".join(f"Words.\n\n```python\n{block}```\n" for block in blocks)
    messages = compose_checked(text, facts=FACTS).parts

    assert len(messages) == 4
    lines = [
        int(n)
        for part in messages
        for n in re.findall(r"line (\d+)", " ".join(context_texts(part)))
    ]
    assert lines == [882, 883, 884, 885, 886]
    languages = [b["language"] for b in find_elements(messages, "rich_text_preformatted")]
    assert set(languages) == {"python"}
    assert len(languages) > len(blocks)


def test_invisible_characters_in_code_are_shown() -> None:
    """Code that reads other than it runs (Trojan Source) is made visible, with a notice."""
    hidden = "\u202e\u2066\u2069\u200b\u200d\ufeff\u00ad\u2028\U000e0041"
    (message,) = compose_final(f"```python\nif x:{hidden} # {hidden}\n```", facts=FACTS)

    assert str(texts.INVISIBLE_CHARACTERS) in context_texts(message)
    assert not set(hidden) & set(model_text([message]))
    assert "⟨U+202E⟩" in model_text([message])


def test_right_to_left_text_and_emoji_are_kept() -> None:
    """Prose keeps its joiners; only characters that reorder a line are shown."""
    prose = "שלום, مرحبا, 👩‍👩‍👧 and ਕ੍ਰਿਪਾ"
    (message,) = compose_final(prose, facts=FACTS)
    (turned,) = compose_final("safe \u202e evil", facts=FACTS)

    assert model_text([message]) == prose
    assert str(texts.INVISIBLE_CHARACTERS) not in context_texts(message)
    assert model_text([turned]) == "safe ⟨U+202E⟩ evil"
    assert str(texts.INVISIBLE_CHARACTERS) in context_texts(turned)


def test_visible_form_written_by_model_adds_no_notice() -> None:
    """A reply may be about invisible characters."""
    assert str(texts.INVISIBLE_CHARACTERS) not in reply_context("We show it as ⟨U+202E⟩.")


def test_control_characters_are_removed() -> None:
    """Invalid characters are replaced."""
    (message,) = compose_final("a\x00b\x1b[31mc\ud800d\ufdd0e\r\nf\x85", facts=FACTS)

    assert model_text([message]) == "ab[31mc?d\ufffde\nf"


def test_file_is_named_in_the_message_before_it() -> None:
    """That message also has the verdict on the file."""
    text = "Before\n```python\n" + "x = 1\n" * 1_600 + "```\nAfter"
    first, file, last = compose_checked(text, facts=FACTS).parts

    assert isinstance(file, Snippet)
    sentences = [f"{PYTHON}: parses", "Files below: reply-1.py", "Part 1 of 2"]
    assert context_texts(first) == sentences
    assert context_texts(last)[0] == "Part 2 of 2"


def test_whole_reply_as_file_is_announced() -> None:
    """A reply with too many messages says that the file contains all of it."""
    *messages, file = compose_final("A paragraph of words.\n\n" * 4_000, facts=FACTS)

    assert isinstance(file, Snippet)
    assert file.content == "A paragraph of words.\n\n" * 3_999 + "A paragraph of words.\n"
    assert str(texts.FULL_REPLY_BELOW) in context_texts(messages[-1])
    assert len(messages) == 3
    assert all(isinstance(part, Message) and not find_problems(part) for part in messages)


@pytest.mark.parametrize("count", [1, 2])
def test_hidden_secrets_are_counted(count: int) -> None:
    """A reply of which a value was replaced says so, also if it is shown as plain text."""
    facts = replace(FACTS, hidden_secrets=count)
    sentence = str(texts.describe_hidden_secrets(count))

    assert sentence.startswith(f"{count} value")
    assert sentence in reply_context("It is <secret:aws-key:1>.", facts)
    message, _ = compose_plain("It is <secret:aws-key:1>.", facts=facts)
    assert sentence in context_texts(message)
