"""
Rich text of plain messages: the block that Slack makes of a message's text.

Slack adds it to the messages of people and apps alike. Bullets are text: mrkdwn has no lists.
"""

import re
import zlib
from collections.abc import Iterator

from fakeslack.block_kit.inlines import parse_code, parse_inlines, unescape_text
from fakeslack.block_kit.rich_text import MAX_ELEMENT_CHARACTERS, MAX_ELEMENTS
from fakeslack.errors import Json

CODE_BLOCK = re.compile(r"```(.+?)```", re.DOTALL)
QUOTE_MARK = re.compile(r"(?:&gt;|>) ?")
QUOTE_TO_THE_END = re.compile(r"(?:&gt;|>){3} ?")


def build_text_block(text: str, *, mrkdwn: bool = True, link_urls: bool = True) -> Json | None:
    """
    Return the `rich_text` block of a message's text; None if it is blank or too long for one.

    Without `mrkdwn`, only links, mentions and emoji are found. `link_urls` also links URLs without
    angle brackets. The time is linear in the length.
    """
    if not text.strip() or len(text) > MAX_ELEMENT_CHARACTERS:
        return None
    if mrkdwn:
        elements = list(_split_code_blocks(text, link_urls=link_urls))
    else:
        elements = [_build_section(parse_inlines(text, mrkdwn=False, link_urls=link_urls))]
    if not _is_within_limits(elements):
        elements = [_build_section([{"type": "text", "text": unescape_text(text)}])]
    block_id = f"{zlib.crc32(text.encode('utf-8', 'replace')):08x}"[:5]
    return {"type": "rich_text", "block_id": block_id, "elements": elements}


def _split_code_blocks(text: str, *, link_urls: bool) -> Iterator[Json]:
    end = 0
    for found in CODE_BLOCK.finditer(text):
        yield from _split_quotes(text[end : found.start()], is_first=not end, link_urls=link_urls)
        code = found[1].removeprefix("\n").removesuffix("\n")
        yield {"type": "rich_text_preformatted", "elements": parse_code(code), "border": 0}
        end = found.end()
    yield from _split_quotes(text[end:], is_first=not end, link_urls=link_urls)


def _split_quotes(text: str, *, is_first: bool, link_urls: bool) -> Iterator[Json]:
    """Yield the sections and quotes of text; a section ends with the end of its last line."""
    lines = (text if is_first else text.removeprefix("\n")).split("\n")
    start = 0
    while start < len(lines):
        is_quote = QUOTE_MARK.match(lines[start]) is not None
        end = start + 1
        if QUOTE_TO_THE_END.match(lines[start]):
            quoted = [QUOTE_TO_THE_END.sub("", lines[start], count=1), *lines[end:]]
            end = len(lines)
        else:
            while end < len(lines) and bool(QUOTE_MARK.match(lines[end])) == is_quote:
                end += 1
            quoted = [QUOTE_MARK.sub("", line, count=1) for line in lines[start:end]]
        if is_quote:
            elements = parse_inlines("\n".join(quoted), link_urls=link_urls)
            yield {"type": "rich_text_quote", "elements": elements}
        else:
            rest = [""] if end < len(lines) else []
            elements = parse_inlines("\n".join([*lines[start:end], *rest]), link_urls=link_urls)
            if elements:
                yield _build_section(elements)
        start = end


def _build_section(elements: list[Json]) -> Json:
    return {"type": "rich_text_section", "elements": elements}


def _is_within_limits(elements: list[Json]) -> bool:
    sizes = (len(elements), *(len(element["elements"]) for element in elements))
    return max(sizes) <= MAX_ELEMENTS
