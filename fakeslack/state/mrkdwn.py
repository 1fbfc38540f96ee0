"""Finds what a message would ping or unfurl in Slack, so that the page can show it."""

import re
from collections.abc import Iterator

from fakeslack.errors import Json
from fakeslack.state.messages import Manner, Message

PING = re.compile(
    r"<(?:@[UWB][A-Z0-9]+|!(?:channel|here|everyone|subteam\^[A-Z0-9]+))(?:\|[^>]*)?>"
)
BARE_PING = re.compile(r"(?<![\w<|])@(?:channel|here|everyone|[A-Za-z][\w.-]*)")
LINK = re.compile(r"<((?:https?|ftp)://[^|>\s]+)(?:\|[^>]*)?>", re.IGNORECASE)
BARE_LINK = re.compile(r"(?<![\w<|/])https?://[^\s<>|]+", re.IGNORECASE)
PARSED = {"mrkdwn", "markdown"}
FETCHED = ("image_url", "thumb_url", "icon_url", "author_icon", "footer_icon", "video_url")
ATTACHMENT_TEXTS = ("text", "pretext", "title", "fallback", "author_name", "footer", "value")


def pings(message: Message) -> list[str]:
    """Return everything in a message that would notify somebody, each once, as Slack writes it."""
    found: dict[str, None] = {}
    named = message.manner.link_names or message.manner.parse == "full"
    for text in _parsed_texts(message):
        found.update(dict.fromkeys(match.group(0) for match in PING.finditer(text)))
        if named:
            found.update(dict.fromkeys(match.group(0) for match in BARE_PING.finditer(text)))
    for element in _elements(message.body.get("blocks")):
        token = _element_ping(element)
        if token is not None:
            found[token] = None
    return list(found)


def unfurls(message: Message) -> list[str]:
    """Return every address that Slack would fetch because of a message, each once."""
    found: dict[str, None] = {}
    for source in (message.body.get("blocks"), message.body.get("attachments")):
        for element in _elements(source):
            found.update(dict.fromkeys(_fetched(element)))
    if _may_unfurl(message.manner):
        for text in _parsed_texts(message):
            found.update(dict.fromkeys(links(text)))
        for element in _elements(message.body.get("blocks")):
            if element.get("type") == "link":
                found[str(element.get("url", ""))] = None
    return list(found)


def links(text: str) -> list[str]:
    """Return the addresses that Slack turns into links in a parsed text, in their order."""
    marked = [(match.start(), match.group(1)) for match in LINK.finditer(text)]
    bare = [(match.start(), match.group(0)) for match in BARE_LINK.finditer(text)]
    return [address for _, address in sorted(marked + bare)]


def _may_unfurl(manner: Manner) -> bool:
    # Whether an address leads to media is known only after fetching it.
    return manner.unfurl_links or manner.unfurl_media


def _parsed_texts(message: Message) -> Iterator[str]:
    yield message.text
    for element in _elements(message.body.get("blocks")):
        if element.get("type") in PARSED:
            yield str(element.get("text", ""))
    for element in _elements(message.body.get("attachments")):
        yield from (str(element[name]) for name in ATTACHMENT_TEXTS if name in element)


def _elements(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _elements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _elements(inner)


def _element_ping(element: Json) -> str | None:
    match element:
        case {"type": "user", "user_id": person}:
            return f"<@{person}>"
        case {"type": "usergroup", "usergroup_id": group}:
            return f"<!subteam^{group}>"
        case {"type": "broadcast", "range": span}:
            return f"<!{span}>"
    return None


def _fetched(element: Json) -> Iterator[str]:
    for name in FETCHED:
        address = element.get(name)
        if isinstance(address, str) and address.startswith("http"):
            yield address
