"""
Pure: Slack's markup back into what a person typed.

In Slack's text a literal `<`, `>` or `&` is always written as an entity, so that whatever stands
between a real `<` and a real `>` is a token: a mention, a channel, a link. That holds inside code
too, where Slack's clients write links that nobody typed.
"""

import re
from collections.abc import Mapping
from typing import Final

MARKUP_TOKEN: Final = re.compile(r"<([^<>]*)>")
USER_MENTION: Final = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")
LEADING_MENTIONS: Final = re.compile(r"\s*(?:<@[A-Z0-9]+(?:\|[^<>]*)?>[\s,:;]*)+")
URL_SCHEMES: Final = ("https://", "http://", "mailto:", "tel:")


def replace_surrogates(text: str) -> str:
    """Replace what no UTF-8 text can hold (half a surrogate pair) by a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")


def find_mentions(text: str) -> tuple[str, ...]:
    """Return the ids of the people whom the text mentions, in order."""
    return tuple(USER_MENTION.findall(text))


def find_leading_mentions(text: str) -> tuple[str, ...]:
    """Return the ids of the people whom the text mentions before it says anything else."""
    found = LEADING_MENTIONS.match(text)
    return find_mentions(found.group()) if found else ()


def strip_leading_mention(text: str, user: str) -> str:
    """Return the text without the mentions of `user` at its front; code after them stays whole."""
    mention = re.compile(rf"\s*<@{user}(?:\|[^<>]*)?>[,:;]?(?:(?:[ \t]*\n)+|[ \t]*)")
    while found := mention.match(text):
        text = text[found.end() :]
    return text


def to_plain_text(text: str, names: Mapping[str, str]) -> str:
    """Undo Slack's markup. `names` maps ids of people to names; an unknown id stays as it is."""
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
    # "&amp;" last: "&amp;lt;" is what a person sees as "&lt;".
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
    # Slack links "foo.py" to "http://foo.py" by itself; the person wrote the label alone.
    if any(url.rstrip("/") == scheme + label.rstrip("/") for scheme in URL_SCHEMES):
        return label
    return f"{label} ({url})"
