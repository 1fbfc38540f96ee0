"""Unicode texts: planes, directions, invisible characters, controls, lone surrogates."""

from collections.abc import Iterator
from typing import Final

from tests.adversarial.case import (
    Case,
    CaseOutcome,
    EntryPoint,
    build_cases,
    fill_templates,
    mention_bot,
)

TEMPLATES: Final = {
    "prose": "why is {} wrong here?",
    "code": "explain\n```python\nx = '{}'  # {}\n```",
    "repeated": "{}{}{} " * 20 + "?",
}

PLANES: Final = {
    "astral": "𝕏𝔸",
    "family": "👩‍👩‍👧‍👦",
    "flags": "🇩🇪🇳🇱🇺🇳",
    "half-a-flag": "🇩",
    "tones": "👍🏻👍🏿👩🏽‍💻",
    "keycap": "1\ufe0f\u20e3",
    "zalgo": "Z" + "\u0351\u036b\u0343\u036a\u0302" * 8 + "a",
    "composed": "é\u00f1",
    "decomposed": "e\u0301n\u0303",
    "longer-in-capitals": "ßŉǰΐ",
    "ligatures": "ﬁﬄ",
    "dotted-i": "İıIi",
    "final-sigma": "ΣΑΣ",
    "hangul": "각\u1100\u1161\u11a8",
    "cjk": "日本語。｜＜＞",
    "private-use": "\ue000\U000f0000\U0010fffd",
    "plane-4": "\U00040000",
    "plane-16": "\U0010ffff",
    "full-width": "＜＠ｈｅｒｅ＞",
    "mathematics": "𝐝𝐞𝐟 𝑓(𝑥)",
}

DIRECTIONS: Final = {
    "override": "\u202e)nimda(\u202c",
    "embedding": "\u202a\u202b\u202c",
    "isolates": "\u2066a\u2069 \u2067b\u2069 \u2068c\u2069",
    "open-isolate": "\u2067if admin:",
    "marks": "\u200e\u200f\u061c",
    "hebrew": "שלום עולם",
    "arabic": "مرحبا بالعالم",
    "mixed": "abc אבג 123 אב",
    "trojan": "/*\u202e } \u2066if (admin)\u2069 \u2066 begin */",
    "zero-width-space": "a\u200bb",
    "non-joiner": "a\u200cb",
    "joiner": "a\u200db",
    "word-joiner": "a\u2060b",
    "byte-order-mark": "\ufeffx",
    "mark-in-the-middle": "a\ufeffb",
    "soft-hyphen": "a\u00adb",
    "selectors": "a\ufe0e\ufe0f\U000e0100",
    "tags": "\U000e0001\U000e0061\U000e007f",
    "hangul-filler": "\u3164\u115f\uffa0",
    "mongolian": "\u180e\u180b",
    "invisible-operators": "\u2061\u2062\u2063\u2064",
    "annotation": "\ufff9a\ufffab\ufffb",
    "line-separator": "a\u2028b",
    "paragraph-separator": "a\u2029b",
    "music": "\U0001d173\U0001d17a",
}

CONTROLS: Final = {
    **{f"c0-{code:02x}": f"a{chr(code)}b" for code in (0, 1, 7, 8, 11, 12, 14, 27, 31)},
    **{f"c1-{code:02x}": f"a{chr(code)}b" for code in (127, 128, 133, 155, 159)},
    "high-half": "a\ud800b",
    "low-half": "a\udfffb",
    "reversed-halves": "a\udc00\ud800b",
    "nothing-but-a-half": "\udbff",
    "noncharacters": "\ufffe\uffff\ufdd0\U0001ffff",
    "replacement": "\ufffd",
    "returns": "a\rb\r\nc\n\rd",
    "colours": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "form-feeds": "a\x0c\x0cb",
    "every-c0": "".join(map(chr, range(32))),
    "backspaces": "rm\x08\x08ls",
}


def generate_cases() -> Iterator[Case]:
    """Return the cases of the three categories."""
    short_templates = {name: TEMPLATES[name] for name in ("prose", "code")}
    for category, texts, templates in (
        ("unicode", PLANES, TEMPLATES),
        ("direction", DIRECTIONS, short_templates),
        ("control", CONTROLS, short_templates),
    ):
        contents = fill_templates(
            texts, {name: mention_bot(form) for name, form in templates.items()}
        )
        yield from build_cases(category, EntryPoint.TEXT, CaseOutcome.ANSWER, contents)
