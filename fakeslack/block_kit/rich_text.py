"""Rich text: sections, lists, quotes and preformatted text made of literal elements."""

from fakeslack.block_kit.rules import boolean, by_type, items, number, one_of, shape, string

MANY = 10_000
LONG = 40_000
STYLES = (
    "bold",
    "italic",
    "strike",
    "code",
    "underline",
    "highlight",
    "client_highlight",
    "unlink",
)
STYLE = shape({}, dict.fromkeys(STYLES, boolean))
INLINE = by_type(
    {
        "text": shape({"text": string(LONG)}, {"style": STYLE}),
        "link": shape({"url": string()}, {"text": string(LONG), "style": STYLE, "unsafe": boolean}),
        "user": shape({"user_id": string(20)}, {"style": STYLE}),
        "usergroup": shape({"usergroup_id": string(20)}, {"style": STYLE}),
        "channel": shape({"channel_id": string(20)}, {"style": STYLE}),
        "team": shape({"team_id": string(20)}, {"style": STYLE}),
        "broadcast": shape({"range": one_of("here", "channel", "everyone")}, {"style": STYLE}),
        "emoji": shape(
            {"name": string(100)},
            {"unicode": string(100), "style": STYLE, "skin_tone": number(1, 6), "url": string()},
        ),
        "date": shape(
            {"timestamp": number(0, 2**40), "format": string(200)},
            {"url": string(), "fallback": string(200), "style": STYLE},
        ),
        "color": shape({"value": string(10)}, {"style": STYLE}),
    },
    "rich text element",
)
BORDER = number(0, 1)
SECTION = shape({"elements": items(INLINE, MANY, 0)})
PARTS = by_type(
    {
        "rich_text_section": SECTION,
        "rich_text_preformatted": shape(
            {"elements": items(INLINE, MANY, 0)}, {"border": BORDER, "language": string(50)}
        ),
        "rich_text_quote": shape({"elements": items(INLINE, MANY, 0)}, {"border": BORDER}),
        "rich_text_list": shape(
            {
                "elements": items(by_type({"rich_text_section": SECTION}), MANY),
                "style": one_of("bullet", "ordered"),
            },
            {"indent": number(0, 8), "border": BORDER, "offset": number(0, MANY)},
        ),
    },
    "rich text element",
)
RICH_TEXT = shape({"elements": items(PARTS, MANY)}, {"block_id": string(255)})
