"""Blocks that Slack makes of a text: the bot reads them once, with code and words unchanged."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.messages import mrkdwn
from bot.messages.content.reader import read_content
from fakeslack.block_kit.text_blocks import build_text_block

ALPHABET = st.characters(codec="utf-8", exclude_characters="`")
WORDS = st.text(st.sampled_from("ab zé🙂.,;()[]{}=+-/#@!?$%^1\t\n"))


def read_words(text: str) -> str:
    """Return what the model reads of a message with this text and Slack's block for it."""
    block = build_text_block(text)
    content = read_content({"text": text, "blocks": [block] if block else []})
    assert not content.attachments
    return mrkdwn.to_plain_text(content.text, {})


@given(st.text(ALPHABET).filter(str.strip))
@example("a < b && c > d")
@example("  indented\n\ttab  \n\n\nend")
@example("*args, **kwargs\n> x\n:x: https://a.example/?b=1&c=2")
def test_code_block_is_read_byte_for_byte(code: str) -> None:
    """Nothing in a code block is a style, a quote or an emoji, and no line is lost."""
    if code.partition("\n")[0].strip().lower() in mrkdwn.FENCE_LANGUAGES:
        code = f"x\n{code}"
    text = f"fix\n```\n{mrkdwn.escape_text(code)}\n```\nthis"

    assert read_words(text) == f"fix\n\n```\n{code}\n```\n\nthis"


@given(WORDS)
def test_words_without_marks_are_read_as_they_are(words: str) -> None:
    """Line ends and blanks inside a text stay."""
    assert read_words(words).strip("\n") == words.strip("\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```python\n```", "```\npython\n```"),
        ("```x = 1```", "```\nx = 1\n```"),
        ("run `curl <https://a.example/x>` now", "run `curl https://a.example/x` now"),
        ("`a <@U1> b`", "`a @U1 b`"),
        ("*`a` b*", "**`a`** **b**"),
        ("```ask <@U1> at <https://a.example|a.example>```", "```\nask @U1 at a.example\n```"),
        ("ok :wave::skin-tone-3: :tada:", "ok :wave::skin-tone-3: :tada:"),
        (
            "def __init__(self, *args, **kwargs): a_b_c",
            "def __init__(self, *args, **kwargs): a_b_c",
        ),
        ("a * b * c ~ d", "a * b * c ~ d"),
        ("• one\n- two\n1. three", "• one\n- two\n1. three"),
        ("&gt; said\n&gt; so\nyes", "> said\n> so\n\nyes"),
        ("see <https://a.example/x|the docs>", "see [the docs](https://a.example/x)"),
        ("*stop*", "**stop**"),
        ("<#C1|general> <!subteam^S1|@backend> <!here>", "#general @backend @here"),
    ],
)
def test_message_of_a_person_reads_as_typed(text: str, words: str) -> None:
    """Code spans stay whole around links and mentions, and a fence keeps its language."""
    assert read_words(text) == words
