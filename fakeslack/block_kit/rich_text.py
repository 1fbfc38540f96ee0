"""Rich text schema: sections, lists, quotes and preformatted text made of literal elements."""

from fakeslack.block_kit.rules import (
    boolean_rule,
    choice_rule,
    integer_rule,
    list_rule,
    object_rule,
    string_rule,
    variant_rule,
)

MAX_ELEMENTS = 10_000
MAX_ELEMENT_CHARACTERS = 40_000
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
STYLE = object_rule({}, dict.fromkeys(STYLES, boolean_rule))
INLINE_ELEMENTS = variant_rule(
    {
        "text": object_rule({"text": string_rule(MAX_ELEMENT_CHARACTERS)}, {"style": STYLE}),
        "link": object_rule(
            {"url": string_rule()},
            {"text": string_rule(MAX_ELEMENT_CHARACTERS), "style": STYLE, "unsafe": boolean_rule},
        ),
        "user": object_rule({"user_id": string_rule(20)}, {"style": STYLE}),
        "usergroup": object_rule({"usergroup_id": string_rule(20)}, {"style": STYLE}),
        "channel": object_rule({"channel_id": string_rule(20)}, {"style": STYLE}),
        "team": object_rule({"team_id": string_rule(20)}, {"style": STYLE}),
        "broadcast": object_rule(
            {"range": choice_rule("here", "channel", "everyone")}, {"style": STYLE}
        ),
        "emoji": object_rule(
            {"name": string_rule(100)},
            {
                "unicode": string_rule(100),
                "style": STYLE,
                "skin_tone": integer_rule(1, 6),
                "url": string_rule(),
            },
        ),
        "date": object_rule(
            {"timestamp": integer_rule(0, 2**40), "format": string_rule(200)},
            {"url": string_rule(), "fallback": string_rule(200), "style": STYLE},
        ),
        "color": object_rule({"value": string_rule(10)}, {"style": STYLE}),
    },
    "rich text element",
)
BORDER = integer_rule(0, 1)
RICH_TEXT_SECTION = object_rule({"elements": list_rule(INLINE_ELEMENTS, MAX_ELEMENTS, 0)})
RICH_TEXT_PARTS = variant_rule(
    {
        "rich_text_section": RICH_TEXT_SECTION,
        "rich_text_preformatted": object_rule(
            {"elements": list_rule(INLINE_ELEMENTS, MAX_ELEMENTS, 0)},
            {"border": BORDER, "language": string_rule(50)},
        ),
        "rich_text_quote": object_rule(
            {"elements": list_rule(INLINE_ELEMENTS, MAX_ELEMENTS, 0)}, {"border": BORDER}
        ),
        "rich_text_list": object_rule(
            {
                "elements": list_rule(
                    variant_rule({"rich_text_section": RICH_TEXT_SECTION}), MAX_ELEMENTS
                ),
                "style": choice_rule("bullet", "ordered"),
            },
            {
                "indent": integer_rule(0, 8),
                "border": BORDER,
                "offset": integer_rule(0, MAX_ELEMENTS),
            },
        ),
    },
    "rich text element",
)
RICH_TEXT = object_rule(
    {"elements": list_rule(RICH_TEXT_PARTS, MAX_ELEMENTS)}, {"block_id": string_rule(255)}
)
