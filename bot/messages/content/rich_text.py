"""
Rich text blocks as Markdown, with mentions as mrkdwn tokens and all other text escaped.

`bot.messages.mrkdwn.to_plain_text` turns the result into plain text. Slack's own messages of people
consist of one such block. A reply of the bot holds its text in such blocks too. Its disclaimer,
notices and buttons are other blocks.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from bot.messages import mrkdwn
from bot.messages.content.json_fields import Json, get_mapping, get_text, list_mappings

Labels = Mapping[str, str]
"""Labels of channels and user groups, as `mrkdwn.find_labels` returns them."""

STYLE_MARKS: Final = (("strike", "~~"), ("italic", "*"), ("bold", "**"))
"""Slack's styles and their Markdown marks, innermost first."""
MAX_LIST_NUMBER: Final = 1000
"""Bound for list numbers and indents: the bot writes none above it."""
MAX_DEPTH: Final = 4
"""Bound for elements inside elements of a kind that is not known."""
TOKEN_TARGET: Final = re.compile(r"[A-Za-z0-9]+")
LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#._-]{1,40}")


def to_markdown(blocks: Sequence[Json]) -> str:
    """Return the text of a reply as Markdown; empty if its blocks hold none."""
    rich_text = [block for block in blocks if block.get("type") == "rich_text"]
    parts = [part for block in rich_text for part in _render_elements(block, {})]
    return mrkdwn.to_plain_text(_join_parts(parts), {})


def render_rich_text(block: Json, labels: Labels) -> str:
    """
    Return a `rich_text` block as escaped Markdown with mrkdwn tokens.

    A language behind the opening fence is in Slack's block the first line of the code.
    """
    parts = _render_elements(block, labels)
    return _join_parts(
        [
            (kind, _name_language(words) if kind == "rich_text_preformatted" else words)
            for kind, words in parts
        ]
    )


def render_code_block(code: str, language: str = "") -> str:
    """Return code, as it is, between fences longer than any run of backticks in it."""
    longest = max(map(len, re.findall(r"`{3,}", code)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{language if LANGUAGE.fullmatch(language) else ''}\n{code}\n{mark}"


def _name_language(code_block: str) -> str:
    """Move a language from the first line of code to its fence, if the fence names none."""
    fence, _, rest = code_block.partition("\n")
    first, _, code = rest.partition("\n")
    if fence.strip("`") or code == fence or first.strip().lower() not in mrkdwn.FENCE_LANGUAGES:
        return code_block
    return f"{fence}{first.strip()}\n{code}"


def _render_elements(block: Json, labels: Labels) -> list[tuple[str, str]]:
    """Return kind and text of each element that is not blank."""
    parts = [
        (str(element.get("type")), _render_element(element, labels))
        for element in list_mappings(block, "elements")
    ]
    return [part for part in parts if part[1].strip()]


def _join_parts(parts: Sequence[tuple[str, str]]) -> str:
    pieces: list[str] = []
    before = ""
    for kind, words in parts:
        # Slack splits a nested list into one list for each change of depth.
        gap = "\n" if kind == before == "rich_text_list" else "\n\n"
        pieces += [gap, words] if pieces else [words]
        before = kind
    return "".join(pieces)


def _render_element(element: Json, labels: Labels, depth: int = 0) -> str:
    kind = element.get("type")
    if kind == "rich_text_preformatted":
        code = _render_literally(list_mappings(element, "elements"), labels)
        return render_code_block(code, get_text(element, "language"))
    if kind == "rich_text_list":
        return _render_list(element, labels, depth)
    words = _render_inlines(element, labels, depth)
    if kind == "rich_text_quote":
        return "\n".join(f"> {line}".rstrip() for line in words.split("\n"))
    return words


def _render_list(element: Json, labels: Labels, depth: int) -> str:
    is_ordered = element.get("style") == "ordered"
    number = 1 + _clamp_number(element.get("offset"))
    margin = "   " * _clamp_number(element.get("indent"))
    lines = []
    for item in list_mappings(element, "elements"):
        mark = f"{number}." if is_ordered else "-"
        lines.append(f"{margin}{mark} {_render_inlines(item, labels, depth)}")
        number += 1
    return "\n".join(lines)


def _clamp_number(value: object) -> int:
    return max(0, min(value, MAX_LIST_NUMBER)) if isinstance(value, int) else 0


def _render_inlines(element: Json, labels: Labels, depth: int) -> str:
    if depth >= MAX_DEPTH:
        return ""
    pieces: list[str] = []
    for style, group in groupby(list_mappings(element, "elements"), _read_code_style):
        if style:
            # Slack splits a code span around each link and mention in it.
            pieces.append(_mark_words(_render_literally(group, labels), style, _render_code_span))
        else:
            pieces += [_render_inline(inline, labels, depth) for inline in group]
    return "".join(pieces).strip("\n")


def _read_code_style(element: Json) -> Json:
    """Return the style of a piece of code; empty for any other element."""
    style = get_mapping(element, "style")
    return style if style.get("code") else {}


def _render_literally(inlines: Iterable[Json], labels: Labels) -> str:
    """Return the words of inline elements without their styles."""
    return "".join(
        _render_token(inline, labels) or mrkdwn.escape_text(_read_label(inline))
        for inline in inlines
    )


def _render_inline(element: Json, labels: Labels, depth: int) -> str:
    token = _render_token(element, labels)
    if token:
        return token
    if not get_text(element, "text") and list_mappings(element, "elements"):
        return f"\n{_render_element(element, labels, depth + 1)}\n"
    words = mrkdwn.escape_text(_read_label(element))
    style = get_mapping(element, "style")
    return _mark_words(words, style, lambda bare: _link_label(element, bare))


def _mark_words(words: str, style: Json, mark_bare: Callable[[str], str]) -> str:
    """Return words with the marks of their style; blanks at both ends stay outside of them."""
    bare = words.strip()
    if not bare:
        return words
    marked = mark_bare(bare)
    for name, mark in STYLE_MARKS:
        if style.get(name):
            marked = f"{mark}{marked}{mark}"
    front, _, back = words.partition(bare)
    return f"{front}{marked}{back}"


def _render_code_span(text: str) -> str:
    mark = "`" * (1 + max(map(len, re.findall(r"`+", text)), default=0))
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{mark}{pad}{text}{pad}{mark}"


def _link_label(element: Json, label: str) -> str:
    url, text = get_text(element, "url"), get_text(element, "text")
    if element.get("type") != "link" or url in {text, ""} or not text:
        return label
    if mrkdwn.is_automatic_link(url, text):
        return label
    return f"[{label}]({mrkdwn.escape_text(url)})"


def _read_label(element: Json) -> str:
    """Return the visible text of an inline element that is no mention."""
    if element.get("type") == "emoji":
        tone = get_text(element, "skin_tone")
        return f":{get_text(element, 'name')}:" + (f":skin-tone-{tone}:" if tone else "")
    fields = ("text", "url", "fallback", "value", "name")
    return next((text for name in fields if (text := get_text(element, name))), "")


def _render_token(element: Json, labels: Labels) -> str:
    render = TOKEN_RENDERERS.get(str(element.get("type")))
    return "" if render is None else render(element, labels)


def _render_user(element: Json, _labels: Labels) -> str:
    user = get_text(element, "user_id")
    return f"<@{user}>" if TOKEN_TARGET.fullmatch(user) else "@user"


def _render_channel(element: Json, labels: Labels) -> str:
    target = f"#{get_text(element, 'channel_id')}"
    return f"<#C|{labels[target]}>" if target in labels else "#channel"


def _render_user_group(element: Json, labels: Labels) -> str:
    target = f"!subteam^{get_text(element, 'usergroup_id')}"
    return f"<!subteam^S|{labels[target]}>" if target in labels else "@group"


def _render_broadcast(element: Json, _labels: Labels) -> str:
    kind = get_text(element, "range")
    return f"@{kind}" if TOKEN_TARGET.fullmatch(kind) else ""


def _render_date(element: Json, _labels: Labels) -> str:
    date = get_text(element, "fallback") or mrkdwn.format_date(get_text(element, "timestamp"))
    return mrkdwn.escape_text(date)


TOKEN_RENDERERS: Final[Mapping[str, Callable[[Json, Labels], str]]] = {
    "user": _render_user,
    "channel": _render_channel,
    "usergroup": _render_user_group,
    "broadcast": _render_broadcast,
    "date": _render_date,
}
