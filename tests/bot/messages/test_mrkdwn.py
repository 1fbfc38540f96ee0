"""Slack mrkdwn: restored to the text that its author typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.messages import mrkdwn

NAMES = {"U0ADA00001": "Ada", "U0STARCHAT": "StarChat"}
ME = "U0STARCHAT"


def escape_text(text: str) -> str:
    """Write text as Slack's clients do."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@given(st.text() | st.text(alphabet="&<>ampltg;"))
def test_escaped_text_is_restored_exactly(text: str) -> None:
    """Any text, escaped as Slack does, is restored, with entities that people typed."""
    assert mrkdwn.to_plain_text(escape_text(text), {}) == text


@pytest.mark.parametrize(
    ("slack", "text"),
    [
        ("&amp;lt;", "&lt;"),
        ("&amp;amp;", "&amp;"),
        ("&amp;gt;", "&gt;"),
        ("a &lt; b &amp;&amp; c &gt; d", "a < b && c > d"),
        ("<@U0ADA00001> wrote it", "@Ada wrote it"),
        ("<@U0ADA00001|ada.l>", "@Ada"),
        ("<@U0NOBODY01|lin>", "@lin"),
        ("<@U0NOBODY01>", "@U0NOBODY01"),
        ("in <#C0PYTHON01|python>", "in #python"),
        ("in <#C0PYTHON01>", "in #channel"),
        ("in <#C0PYTHON01|>", "in #channel"),
        ("<!here> look", "@here look"),
        ("<!channel>", "@channel"),
        ("<!everyone|everyone>", "@everyone"),
        ("<!subteam^S01|@backend>", "@backend"),
        ("<!subteam^S01>", "@group"),
        ("<!subteam^S01|>", "@group"),
        ("<!date^1700000000^{date}|14 Nov 2023>", "14 Nov 2023"),
        ("<!date^1700000000^{date}>", "2023-11-14 22:13 UTC"),
        ("<!date^soon^{date}>", "soon^{date}"),
        ("<https://example.com/a?b=1&amp;c=2>", "https://example.com/a?b=1&c=2"),
        ("<https://example.com|the docs>", "the docs (https://example.com)"),
        ("<https://example.com|https://example.com>", "https://example.com"),
        ("<http://foo.py|foo.py>", "foo.py"),
        ("<https://example.com/|example.com>", "example.com"),
        ("<mailto:ada@example.com|ada@example.com>", "ada@example.com"),
        ("<tel:123|123>", "123"),
        ("`import <http://foo.py|foo.py>`", "`import foo.py`"),
        ("```\nif a &lt; b:\n\tpass  \n```", "```\nif a < b:\n\tpass  \n```"),
        ("", ""),
    ],
)
def test_markup_tokens_become_text(slack: str, text: str) -> None:
    """Mentions, channels, dates and links are converted; links that Slack added vanish."""
    assert mrkdwn.to_plain_text(slack, NAMES) == text


@pytest.mark.parametrize(
    ("slack", "text"),
    [
        ("```x = 1\ny = 2```", "```\nx = 1\ny = 2\n```"),
        ("see ```x = 1```", "see \n```\nx = 1\n```"),
        ("```x```then ```y```", "```\nx\n```\nthen \n```\ny\n```"),
        ("```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```\n\tx = 1  \n```", "```\n\tx = 1  \n```"),
        ("```  x = 1\ny```", "```\n  x = 1\ny\n```"),
        ("```pwd\nls```", "```\npwd\nls\n```"),
        ("- a\n  ```\n  b\n  ```", "- a\n  ```\n  b\n  ```"),
        ("a ``` b", "a ``` b"),
        ("```a``` b ```c", "```\na\n```\n b ```c"),
        ("````\n```\n````", "````\n```\n````"),
        ("`x` and ``y``", "`x` and ``y``"),
    ],
)
def test_code_stands_on_its_own_lines(slack: str, text: str) -> None:
    """Code that Slack shows as a block is one in Markdown too, with all of its lines."""
    assert mrkdwn.separate_code_blocks(slack) == text


@given(st.text(alphabet="`ab \n"))
def test_separated_code_loses_no_character(text: str) -> None:
    """Only line ends are added, and a second pass adds none."""
    separated = mrkdwn.separate_code_blocks(text)

    assert separated.replace("\n", "") == text.replace("\n", "")
    assert mrkdwn.separate_code_blocks(separated) == separated


def test_looked_up_name_precedes_mention_label() -> None:
    """A label in a mention is used only without a looked-up name."""
    assert mrkdwn.to_plain_text("<@U0ADA00001|old name>", NAMES) == "@Ada"


@pytest.mark.parametrize(
    ("slack", "rest"),
    [
        ("<@U0STARCHAT> hello", "hello"),
        ("  <@U0STARCHAT>: hello", "hello"),
        ("<@U0STARCHAT>, hello", "hello"),
        ("<@U0STARCHAT|starchat> hello", "hello"),
        ("<@U0STARCHAT> <@U0STARCHAT> hello", "hello"),
        ("<@U0STARCHAT>\n    indented", "    indented"),
        ("<@U0STARCHAT> \n\n\n    indented", "    indented"),
        ("<@U0STARCHAT>hello", "hello"),
        ("<@U0STARCHAT>", ""),
        ("ask <@U0STARCHAT> hello", "ask <@U0STARCHAT> hello"),
        ("<@U0ADA00001> <@U0STARCHAT> hello", "<@U0ADA00001> <@U0STARCHAT> hello"),
    ],
)
def test_only_leading_mention_of_bot_is_removed(slack: str, rest: str) -> None:
    """The question keeps the indentation of its first line."""
    assert mrkdwn.strip_leading_mention(slack, ME) == rest


@given(st.text(alphabet=st.characters(blacklist_characters="<>"), min_size=1))
def test_text_without_mention_is_unchanged(text: str) -> None:
    """A text without a leading mention is unchanged."""
    assert mrkdwn.strip_leading_mention(text, ME) == text


def test_mentions_are_in_text_order() -> None:
    """All mentions are found in order."""
    text = "<@U0LIN00001>, <@U0STARCHAT|bot> and <@U0ADA00001>"

    assert mrkdwn.find_mentions(text) == ("U0LIN00001", "U0STARCHAT", "U0ADA00001")


@given(st.text(alphabet=st.characters(codec=None)))
def test_lone_surrogate_becomes_question_mark(text: str) -> None:
    """A lone surrogate, which UTF-8 cannot encode, becomes a question mark."""
    cleaned = mrkdwn.replace_surrogates(text)

    assert cleaned.encode().decode() == cleaned
    assert mrkdwn.replace_surrogates("a\ud800b") == "a?b"
