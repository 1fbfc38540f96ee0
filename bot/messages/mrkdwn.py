"""
Slack mrkdwn: mentions, and the text as its author typed it.

Slack escapes a literal `<`, `>` or `&` as an entity. Text between an unescaped `<` and `>` is
therefore a token: a mention, a channel or a link. Slack's clients add links inside code too.
"""

import re
from collections.abc import Mapping
from typing import Final

MARKUP_TOKEN: Final = re.compile(r"<([^<>]*)>")
USER_MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
LEADING_MENTIONS: Final = re.compile(r"\s*(?:<@[A-Z0-9]+(?:\|[^<>]*)?>[\s,:;]*)+")
URL_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def find_mentions(text: str) -> tuple[str, ...]:
    """Return the ids of all mentioned users, in order."""
    return tuple(USER_MENTION.findall(text))


def find_leading_mentions(text: str) -> tuple[str, ...]:
    """Return the ids of the users mentioned before any other text."""
    found = LEADING_MENTIONS.match(text)
    return find_mentions(found.group()) if found else ()


def strip_leading_mention(text: str, user: str) -> str:
    """Remove leading mentions of `user`; keep the indentation of code after them."""
    mention = re.compile(rf"\s*<@{user}(?:\|[^<>]*)?>[,:;]?(?:(?:[ \t]*\n)+|[ \t]*)")
    while found := mention.match(text):
        text = text[found.end() :]
    return text


def to_plain_text(text: str, names: Mapping[str, str]) -> str:
    """Convert mrkdwn to plain text. `names` maps user ids to names; unknown ids are kept."""
    parts: list[str] = []
    end = 0
    for token in MARKUP_TOKEN.finditer(text):
        parts += [
            _unescape_entities(text[end : token.start()]),
            _render_token(token.group(1), names),
        ]
        end = token.end()
    return "".join([*parts, _unescape_entities(text[end:])])


def _unescape_entities(text: str) -> str:
    # "&amp;" last: a person who typed "&lt;" is escaped as "&amp;lt;".
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _render_token(inside: str, names: Mapping[str, str]) -> str:
    target, _, label = inside.partition("|")
    target, label = _unescape_entities(target), _unescape_entities(label)
    if target.startswith("@"):
        user = target[1:]
        return f"@{names.get(user) or label or user}"
    if target.startswith("#"):
        return f"#{label or target[1:]}"
    if target.startswith("!"):
        return _render_broadcast(target[1:], label)
    return _render_link(target, label)


def _render_broadcast(target: str, label: str) -> str:
    kind, _, rest = target.partition("^")
    if kind == "date":
        return label or rest
    return f"@{(label or rest or kind).removeprefix('@')}"


def _render_link(url: str, label: str) -> str:
    if not label or label == url:
        return url
    # Slack links "foo.py" to "http://foo.py" itself; the author typed the label alone.
    if any(url.rstrip("/") == scheme + label.rstrip("/") for scheme in URL_SCHEMES):
        return label
    return f"{label} ({url})"
