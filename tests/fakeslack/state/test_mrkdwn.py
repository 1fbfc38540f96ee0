"""Ping and unfurl detection in all parts of a message."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.state.composer import escape_control_characters
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.mrkdwn import find_links, find_pings, find_unfurls

LITERAL = PostOptions(unfurl_media=False)


def build_message(text: str = "", options: PostOptions = LITERAL, **fields: Any) -> Message:
    """Return a bot's message."""
    return Message("C1", {"ts": "1.000000", "text": text, **fields}, options)


@pytest.mark.parametrize(
    "token",
    ["<!channel>", "<!here>", "<!everyone>", "<@U0ADA00001>", "<@W1|ada>", "<!subteam^S1|team>"],
)
def test_every_token_that_notifies_is_a_ping(token: str) -> None:
    """Slack parses tokens in text, code, mrkdwn and Markdown."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": f"a {token}"}}
    assert find_pings(build_message(f"x {token} y {token}")) == [token]
    assert find_pings(build_message(f"`{token}`")) == [token]
    assert find_pings(build_message(blocks=[section])) == [token]
    assert find_pings(build_message(blocks=[{"type": "markdown", "text": token}])) == [token]
    assert find_pings(build_message(attachments=[{"pretext": token, "color": "red"}])) == [token]


def test_rich_text_pings_only_by_mention_elements() -> None:
    """Text elements are literal; user, group and broadcast elements notify."""
    elements: list[dict[str, Any]] = [
        {"type": "text", "text": "<!channel> <@U1> @here"},
        {"type": "user", "user_id": "U1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "broadcast", "range": "here"},
        {"type": "channel", "channel_id": "C1"},
    ]
    section = {"type": "rich_text_section", "elements": elements}
    blocks = [{"type": "rich_text", "elements": [section]}]
    assert find_pings(build_message(blocks=blocks)) == ["<@U1>", "<!subteam^S1>", "<!here>"]


@pytest.mark.parametrize("manner", [PostOptions(link_names=True), PostOptions(parse="full")])
def test_bare_names_ping_only_with_link_names_or_parse_full(manner: PostOptions) -> None:
    """`@here` is plain text by default."""
    text = "@here @ada me@example.com"
    assert find_pings(build_message(text)) == []
    assert find_pings(build_message(text, manner)) == ["@here", "@ada"]


@given(st.text())
def test_escaped_text_never_pings_or_links(text: str) -> None:
    """Escaped text contains no tokens."""
    assert find_pings(build_message(escape_control_characters(text))) == []
    assert all("<" not in link for link in find_links(escape_control_characters(text)))


def test_plain_text_never_pings() -> None:
    """A `plain_text` object is literal."""
    header = {"type": "header", "text": {"type": "plain_text", "text": "<!channel>"}}
    assert find_pings(build_message(blocks=[header])) == []


@pytest.mark.parametrize(
    ("manner", "unfurled"),
    [
        (PostOptions(unfurl_links=False, unfurl_media=False), []),
        (PostOptions(unfurl_links=True, unfurl_media=False), ["https://a.example/x"]),
        (PostOptions(), ["https://a.example/x"]),
    ],
)
def test_links_unfurl_unless_both_flags_are_off(manner: PostOptions, unfurled: list[str]) -> None:
    """Slack fetches a link if either flag is on."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "<https://a.example/x|a>"}}
    link = {"type": "link", "url": "https://a.example/x"}
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
    assert find_unfurls(build_message("see https://a.example/x", manner)) == unfurled
    assert find_unfurls(build_message(options=manner, blocks=[section])) == unfurled
    assert find_unfurls(build_message(options=manner, blocks=[rich])) == unfurled


def test_images_are_fetched_regardless_of_the_flags() -> None:
    """Slack fetches an image block even with unfurling off."""
    image = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}
    inner = {"type": "image", "image_url": "data:x", "alt_text": "i"}
    assert find_unfurls(build_message(blocks=[image, inner])) == ["https://a.example/i.png"]


def test_links_are_found_in_order() -> None:
    """Marked and bare URLs come in text order."""
    text = "https://b.example <https://a.example|x> <@U1> http://c.example"
    assert find_links(text) == ["https://b.example", "https://a.example", "http://c.example"]
