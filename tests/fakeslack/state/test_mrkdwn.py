"""What a message would ping or unfurl in Slack is found, wherever in it that stands."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeslack.state.composer import escaped
from fakeslack.state.messages import Manner, Message
from fakeslack.state.mrkdwn import links, pings, unfurls

LITERAL = Manner(unfurl_media=False)


def message(text: str = "", manner: Manner = LITERAL, **fields: Any) -> Message:
    """Return a bot's message."""
    return Message("C1", {"ts": "1.000000", "text": text, **fields}, manner)


@pytest.mark.parametrize(
    "token",
    ["<!channel>", "<!here>", "<!everyone>", "<@U0ADA00001>", "<@W1|ada>", "<!subteam^S1|team>"],
)
def test_every_token_that_notifies_is_a_ping(token: str) -> None:
    """Slack reads tokens in text, in code, in mrkdwn and in Markdown alike."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": f"a {token}"}}
    assert pings(message(f"x {token} y {token}")) == [token]
    assert pings(message(f"`{token}`")) == [token]
    assert pings(message(blocks=[section])) == [token]
    assert pings(message(blocks=[{"type": "markdown", "text": token}])) == [token]
    assert pings(message(attachments=[{"pretext": token, "color": "red"}])) == [token]


def test_rich_text_pings_only_by_its_own_elements() -> None:
    """A text element is literal; a user, group or broadcast element notifies."""
    elements: list[dict[str, Any]] = [
        {"type": "text", "text": "<!channel> <@U1> @here"},
        {"type": "user", "user_id": "U1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "broadcast", "range": "here"},
        {"type": "channel", "channel_id": "C1"},
    ]
    section = {"type": "rich_text_section", "elements": elements}
    blocks = [{"type": "rich_text", "elements": [section]}]
    assert pings(message(blocks=blocks)) == ["<@U1>", "<!subteam^S1>", "<!here>"]


@pytest.mark.parametrize("manner", [Manner(link_names=True), Manner(parse="full")])
def test_bare_names_ping_only_when_the_poster_asks(manner: Manner) -> None:
    """`@here` is plain text unless `link_names` or `parse=full` say otherwise."""
    text = "@here @ada me@example.com"
    assert pings(message(text)) == []
    assert pings(message(text, manner)) == ["@here", "@ada"]


@given(st.text())
def test_escaped_text_never_pings_or_links(text: str) -> None:
    """Once `&`, `<` and `>` are escaped nothing in a text is a token."""
    assert pings(message(escaped(text))) == []
    assert all("<" not in link for link in links(escaped(text)))


def test_plain_text_never_pings() -> None:
    """A `plain_text` object is shown as it is."""
    header = {"type": "header", "text": {"type": "plain_text", "text": "<!channel>"}}
    assert pings(message(blocks=[header])) == []


@pytest.mark.parametrize(
    ("manner", "unfurled"),
    [
        (Manner(unfurl_links=False, unfurl_media=False), []),
        (Manner(unfurl_links=True, unfurl_media=False), ["https://a.example/x"]),
        (Manner(), ["https://a.example/x"]),
    ],
)
def test_links_are_fetched_where_the_flags_allow(manner: Manner, unfurled: list[str]) -> None:
    """Only both flags off keep Slack from fetching what a link leads to."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "<https://a.example/x|a>"}}
    link = {"type": "link", "url": "https://a.example/x"}
    rich = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
    assert unfurls(message("see https://a.example/x", manner)) == unfurled
    assert unfurls(message(manner=manner, blocks=[section])) == unfurled
    assert unfurls(message(manner=manner, blocks=[rich])) == unfurled


def test_pictures_are_fetched_whatever_the_flags() -> None:
    """An image block makes Slack fetch its address even with unfurling off."""
    image = {"type": "image", "image_url": "https://a.example/i.png", "alt_text": "i"}
    inner = {"type": "image", "image_url": "data:x", "alt_text": "i"}
    assert unfurls(message(blocks=[image, inner])) == ["https://a.example/i.png"]


def test_links_are_found_in_their_order() -> None:
    """Marked and bare addresses come in the order they stand in the text."""
    text = "https://b.example <https://a.example|x> <@U1> http://c.example"
    assert links(text) == ["https://b.example", "https://a.example", "http://c.example"]
