"""What stands below a finished reply: checks, notices, and what the model is."""

import re

import pytest

from testing.slack_parser import context_texts, find_elements, find_problems, model_text
from worker.render import Message, ReplyFacts, Snippet, compose_final, texts

FACTS = ReplyFacts("HuggingFaceH4/starchat-beta", "stop", 256)
DISCLAIMER = (
    "Written by HuggingFaceH4/starchat-beta, a language model for education and research. "
    "It may be wrong, insecure or made up. Nothing in it was checked."
)


def reply_context(text: str, facts: ReplyFacts = FACTS) -> list[str]:
    """Return our sentences below the last message of a reply."""
    return context_texts(
        [part for part in compose_final(text, facts=facts) if isinstance(part, Message)][-1]
    )


def test_every_reply_says_what_wrote_it_and_that_it_may_be_wrong() -> None:
    """The disclaimer is the last line, also where the model had nothing to say."""
    assert reply_context("Yes.") == [DISCLAIMER]
    assert reply_context("") == [texts.EMPTY_REPLY, DISCLAIMER]
    assert reply_context("<|end|>\n") == [texts.EMPTY_REPLY, DISCLAIMER]


def test_a_reply_without_a_word_is_a_kind_sentence() -> None:
    """An empty reply is no empty message."""
    (message,) = compose_final(" \n", facts=FACTS)

    assert isinstance(message, Message)
    assert message.text.startswith(texts.EMPTY_REPLY.split(".")[0])
    assert model_text([message]) == ""


def test_the_models_own_end_marks_are_not_part_of_its_words() -> None:
    """Control tokens that the model wrote as text at its end are taken off."""
    (message,) = compose_final("Yes.<|end|>\n<|endoftext|>", facts=FACTS)

    assert model_text([message]) == "Yes."


def test_a_reply_that_was_cut_or_stopped_says_so() -> None:
    """The reader learns why the reply ends, and how to go on."""
    cut = reply_context("Half a", ReplyFacts("m", "length", 256))
    gone = reply_context("Half a", ReplyFacts("m", "stopped", 256))
    late = reply_context("Half a", ReplyFacts("m", "timeout", 256))

    assert texts.describe_ending(ReplyFacts("m", "length", 256)) in cut
    assert texts.STOPPED in gone
    assert texts.TIMED_OUT in late


@pytest.mark.parametrize(
    ("dropped", "sentence"),
    [
        (1, "This thread is too long for me: I didn't read its oldest message."),
        (3, "This thread is too long for me: I didn't read its 3 oldest messages."),
    ],
)
def test_a_thread_that_was_not_read_whole_is_said_to_be(dropped: int, sentence: str) -> None:
    """Forgetting is visible."""
    assert sentence in reply_context("Yes.", ReplyFacts("m", "stop", 256, dropped_turns=dropped))


def test_code_is_said_not_to_have_been_run() -> None:
    """The disclaimer of a reply with code points at what a parser says of it."""
    lines = reply_context("```python\nx = 1\n```\n\n```bash\nls\n```")

    assert lines[0] == "python: parses · bash: not checked"
    assert lines[-1].endswith("The code was parsed but not run (result above).")


def test_each_message_names_the_checks_of_its_own_code() -> None:
    """The verdict stands in the message where the code stands."""
    block = "```python\n" + "x = 1\n" * 1_000 + "```\n"
    broken = block.replace("x = 1", "x = = 1")
    first, second = compose_final(block + broken, facts=FACTS)

    assert context_texts(first)[:2] == ["python: parses", "Part 1 of 2"]
    assert context_texts(second)[:2] == ["python: does not parse (line 1)", "Part 2 of 2"]


def test_code_that_is_cut_in_two_is_judged_once_as_a_whole() -> None:
    """Half a block parses or not by accident; its verdict stands where it ends."""
    blocks = ["x = [\n" + "    1,\n" * (880 + n) + "= =]\n" for n in range(5)]
    text = "".join(f"Words.\n\n```python\n{block}```\n" for block in blocks)
    messages = compose_final(text, facts=FACTS)

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


def test_hidden_characters_in_code_are_made_visible_and_said_to_be() -> None:
    """Code that reads other than it runs (Trojan Source) shows why."""
    hidden = "\u202e\u2066\u2069\u200b\u200d\ufeff\u00ad\u2028\U000e0041"
    (message,) = compose_final(f"```python\nif x:{hidden} # {hidden}\n```", facts=FACTS)

    assert texts.INVISIBLE_CHARACTERS in context_texts(message)
    assert not set(hidden) & set(model_text([message]))
    assert "⟨U+202E⟩" in model_text([message])


def test_right_to_left_words_and_families_of_emoji_are_left_alone() -> None:
    """Prose of any language keeps its joiners; only what turns a line is made visible."""
    prose = "שלום, مرحبا, 👩‍👩‍👧 and ਕ੍ਰਿਪਾ"
    (message,) = compose_final(prose, facts=FACTS)
    (turned,) = compose_final("safe \u202e evil", facts=FACTS)

    assert model_text([message]) == prose
    assert texts.INVISIBLE_CHARACTERS not in context_texts(message)
    assert model_text([turned]) == "safe ⟨U+202E⟩ evil"
    assert texts.INVISIBLE_CHARACTERS in context_texts(turned)


def test_a_reply_about_hidden_characters_is_not_accused_of_any() -> None:
    """The visible form written by the model itself starts no notice."""
    assert texts.INVISIBLE_CHARACTERS not in reply_context("We show it as ⟨U+202E⟩.")


def test_controls_are_gone_and_broken_characters_are_replaced() -> None:
    """What no text may hold does not reach Slack."""
    (message,) = compose_final("a\x00b\x1b[31mc\ud800d\ufdd0e\r\nf\x85", facts=FACTS)

    assert model_text([message]) == "ab[31mc?d\ufffde\nf"


def test_files_are_named_where_they_belong() -> None:
    """The message before a file says its name and what a parser says of it."""
    first, file, last = compose_final(
        "Before\n```python\n" + "x = 1\n" * 3_000 + "```\nAfter", facts=FACTS
    )

    assert isinstance(file, Snippet)
    assert context_texts(first) == ["python: parses", "Files below: reply-1.py", "Part 1 of 2"]
    assert context_texts(last)[0] == "Part 2 of 2"


def test_the_whole_reply_as_a_file_is_announced() -> None:
    """A reply that outgrows its messages says that nothing is missing from the file."""
    *messages, file = compose_final("A paragraph of words.\n\n" * 4_000, facts=FACTS)

    assert isinstance(file, Snippet)
    assert file.content == "A paragraph of words.\n\n" * 3_999 + "A paragraph of words.\n"
    assert texts.FULL_REPLY_BELOW in context_texts(messages[-1])
    assert len(messages) == 3
    assert all(isinstance(part, Message) and not find_problems(part) for part in messages)
