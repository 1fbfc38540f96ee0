"""Mention and link detection: what a message would ping or unfurl in Slack."""

import re
from collections.abc import Iterator

from fakeslack.block_kit.inlines import trim_url, unescape_text
from fakeslack.errors import Json
from fakeslack.state.messages import Message, PostOptions

PING_PATTERN = re.compile(
    r"<(?:@[UWB][A-Z0-9]+|!(?:channel|here|everyone|subteam\^[A-Z0-9]+))(?:\|[^>]*)?>"
)
BARE_PING_PATTERN = re.compile(r"(?<![\w<|])@(?:channel|here|everyone|[A-Za-z][\w.-]*)")
LINK_PATTERN = re.compile(r"<((?:https?|ftp)://[^|>\s]+)(?:\|[^>]*)?>", re.IGNORECASE)
BARE_LINK_PATTERN = re.compile(r"(?<![\w<|/])https?://[^\s<>|]+", re.IGNORECASE)
MRKDWN_TYPES = {"mrkdwn", "markdown"}
FETCHED_URL_FIELDS = (
    "image_url",
    "thumb_url",
    "icon_url",
    "author_icon",
    "footer_icon",
    "video_url",
)
ATTACHMENT_TEXT_FIELDS = ("text", "pretext", "title", "fallback", "author_name", "footer", "value")


def find_pings(message: Message) -> list[str]:
    """Return each mention in a message that would notify people, once, in Slack's notation."""
    found: dict[str, str] = {}
    links_names = message.options.link_names or message.options.parse == "full"
    for text in _mrkdwn_texts(message):
        for match in PING_PATTERN.finditer(text):
            found.setdefault(_remove_label(match.group(0)), match.group(0))
        if links_names:
            found |= {name: name for name in BARE_PING_PATTERN.findall(text)}
    for element in _walk_objects(message.body.get("blocks")):
        token = _element_ping(element)
        if token is not None:
            found.setdefault(token, token)
    return list(found.values())


def _remove_label(token: str) -> str:
    return f"{token.partition('|')[0].removesuffix('>')}>"


def find_unfurls(message: Message) -> list[str]:
    """Return each URL that Slack would fetch for a message, once."""
    found: dict[str, None] = {}
    for source in (message.body.get("blocks"), message.body.get("attachments")):
        for element in _walk_objects(source):
            found.update(dict.fromkeys(_fetched_urls(element)))
    if _may_unfurl(message.options):
        for text in _mrkdwn_texts(message):
            found.update(dict.fromkeys(find_links(text)))
        for element in _walk_objects(message.body.get("blocks")):
            if element.get("type") == "link":
                found[str(element.get("url", ""))] = None
    return list(found)


def find_links(text: str) -> list[str]:
    """Return the URLs that Slack links in parsed text, in order."""
    link_matches = [(match.start(), match.group(1)) for match in LINK_PATTERN.finditer(text)]
    bare_matches = [
        (match.start(), trim_url(match.group(0))) for match in BARE_LINK_PATTERN.finditer(text)
    ]
    return [unescape_text(url) for _, url in sorted(link_matches + bare_matches)]


def _may_unfurl(options: PostOptions) -> bool:
    # Slack learns only from a fetch whether a URL is media.
    return options.unfurl_links or options.unfurl_media


def _mrkdwn_texts(message: Message) -> Iterator[str]:
    yield message.text
    for element in _walk_objects(message.body.get("blocks")):
        if element.get("type") in MRKDWN_TYPES:
            yield str(element.get("text", ""))
    for element in _walk_objects(message.body.get("attachments")):
        yield from (str(element[name]) for name in ATTACHMENT_TEXT_FIELDS if name in element)


def _walk_objects(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _walk_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk_objects(inner)


def _element_ping(element: Json) -> str | None:
    match element:
        case {"type": "user", "user_id": person}:
            return f"<@{person}>"
        case {"type": "usergroup", "usergroup_id": group}:
            return f"<!subteam^{group}>"
        case {"type": "broadcast", "range": group_name}:
            return f"<!{group_name}>"
    return None


def _fetched_urls(element: Json) -> Iterator[str]:
    for name in FETCHED_URL_FIELDS:
        url = element.get(name)
        if isinstance(url, str) and url.startswith("http"):
            yield url
