"""Slack's markup becomes what the person typed, code and all."""

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
def test_what_a_person_typed_comes_back_to_the_letter(text: str) -> None:
    """Any text, escaped as Slack escapes it, is undone exactly, entities typed by people too."""
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
        ("in <#C0PYTHON01>", "in #C0PYTHON01"),
        ("<!here> look", "@here look"),
        ("<!channel>", "@channel"),
        ("<!everyone|everyone>", "@everyone"),
        ("<!subteam^S01|@backend>", "@backend"),
        ("<!subteam^S01>", "@S01"),
        ("<!date^1700000000^{date}|14 Nov 2023>", "14 Nov 2023"),
        ("<!date^1700000000^{date}>", "1700000000^{date}"),
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
def test_tokens_become_words(slack: str, text: str) -> None:
    """Mentions, channels, dates and links are undone; a link that Slack made up is not shown."""
    assert mrkdwn.to_plain_text(slack, NAMES) == text


def test_the_name_that_slack_wrote_into_a_mention_is_a_last_resort() -> None:
    """A looked-up name is newer than the label in the text."""
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
def test_only_our_own_mention_at_the_front_goes(slack: str, rest: str) -> None:
    """The question stays as it is, with the indentation of its first line."""
    assert mrkdwn.strip_leading_mention(slack, ME) == rest


@given(st.text(alphabet=st.characters(blacklist_characters="<>"), min_size=1))
def test_a_text_without_mentions_is_left_alone(text: str) -> None:
    """Nothing is taken from a message that does not open with our mention."""
    assert mrkdwn.strip_leading_mention(text, ME) == text


def test_mentions_are_found_in_order() -> None:
    """Everybody whom a message mentions is known, and whom it turns to first."""
    text = "<@U0LIN00001>, <@U0STARCHAT|bot> and <@U0ADA00001>"

    assert mrkdwn.find_mentions(text) == ("U0LIN00001", "U0STARCHAT", "U0ADA00001")
    assert mrkdwn.find_leading_mentions(text) == ("U0LIN00001", "U0STARCHAT")
    assert mrkdwn.find_leading_mentions("see <@U0LIN00001>") == ()


@given(st.text(alphabet=st.characters(codec=None)))
def test_half_characters_do_no_harm(text: str) -> None:
    """A lone surrogate, which JSON can carry and UTF-8 cannot, becomes a question mark."""
    cleaned = mrkdwn.replace_surrogates(text)

    assert cleaned.encode().decode() == cleaned
    assert mrkdwn.replace_surrogates("a\ud800b") == "a?b"
