"""
Rich-text samples: Markdown of the model, its `rich_text` blocks, and the Markdown read back.

Tests of the worker's renderer compare the blocks, tests of the bot's parser the recovered Markdown.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def text_element(words: str, *styles: str) -> Json:
    """Return a text element in the given styles."""
    element: Json = {"type": "text", "text": words}
    return element | {"style": dict.fromkeys(styles, True)} if styles else element


def link_element(url: str) -> Json:
    """Return a link whose address was in the conversation."""
    return {"type": "link", "url": url, "text": url}


def section_element(*elements: Json) -> Json:
    """Return a section of paragraphs."""
    return {"type": "rich_text_section", "elements": list(elements)}


def quote_element(*elements: Json) -> Json:
    """Return a quote."""
    return {"type": "rich_text_quote", "elements": list(elements)}


def code_element(words: str, language: str = "") -> Json:
    """Return a code block."""
    element: Json = {"type": "rich_text_preformatted", "elements": [text_element(words)]}
    return element | {"language": language} if language else element


def list_element(*sections: Json, style: str = "bullet", indent: int = 0, offset: int = 0) -> Json:
    """Return a list, or the items of one indentation level."""
    element: Json = {
        "type": "rich_text_list",
        "style": style,
        "indent": indent,
        "elements": list(sections),
    }
    return element | {"offset": offset} if offset else element


@dataclass(frozen=True)
class RichTextSample:
    """
    One reply: its Markdown, the elements of its `rich_text` block, and the recovered Markdown.

    `known_texts` are the users' messages in the conversation.
    """

    name: str
    markdown: str
    elements: list[Json]
    recovered: str
    known_texts: tuple[str, ...] = field(default=())

    @property
    def message_blocks(self) -> list[Json]:
        """The blocks of the message: the reply's text, then the disclaimer."""
        disclaimer = {"type": "plain_text", "text": "Written by a language model.", "emoji": False}
        return [
            {"type": "rich_text", "elements": self.elements},
            {"type": "context", "elements": [disclaimer]},
        ]


def _round_trip(
    name: str, markdown: str, *elements: Json, known_texts: tuple[str, ...] = ()
) -> RichTextSample:
    return RichTextSample(name, markdown, list(elements), markdown, known_texts)


SAMPLES = [
    _round_trip("one line", "Yes.", section_element(text_element("Yes."))),
    _round_trip(
        "paragraphs and line breaks",
        "First line\nsecond line\n\nNext paragraph.",
        section_element(text_element("First line\nsecond line\n\nNext paragraph.")),
    ),
    _round_trip(
        "styles",
        "A **bold**, *italic*, ~~gone~~ and `code` word, and ***both***.",
        section_element(
            text_element("A "),
            text_element("bold", "bold"),
            text_element(", "),
            text_element("italic", "italic"),
            text_element(", "),
            text_element("gone", "strike"),
            text_element(" and "),
            text_element("code", "code"),
            text_element(" word, and "),
            text_element("both", "bold", "italic"),
            text_element("."),
        ),
    ),
    _round_trip(
        "code that looks like Markdown",
        "Call `__init__(*args, **kw)` or ``a`b``.",
        section_element(
            text_element("Call "),
            text_element("__init__(*args, **kw)", "code"),
            text_element(" or "),
            text_element("a`b", "code"),
            text_element("."),
        ),
    ),
    _round_trip(
        "a code block between words",
        "Try:\n\n```python\ndef f(x):\n    return x ** 2\n\n\nprint(f(3))\n```\n\nIt prints 9.",
        section_element(text_element("Try:")),
        code_element("def f(x):\n    return x ** 2\n\n\nprint(f(3))", "python"),
        section_element(text_element("It prints 9.")),
    ),
    _round_trip(
        "code without a language, indented at its start",
        "```\n    first\n  second\n```",
        code_element("    first\n  second"),
    ),
    _round_trip(
        "code that holds fences",
        "````markdown\n# Use\n\n```sh\nmake\n```\n````",
        code_element("# Use\n\n```sh\nmake\n```", "markdown"),
    ),
    _round_trip(
        "two code blocks in a row",
        "```bash\nmake\n```\n\n```json\n{}\n```",
        code_element("make", "bash"),
        code_element("{}", "json"),
    ),
    _round_trip(
        "bullets with depth",
        "- one\n- two\n   - deeper **bold**\n- three",
        list_element(section_element(text_element("one")), section_element(text_element("two"))),
        list_element(
            section_element(text_element("deeper "), text_element("bold", "bold")), indent=1
        ),
        list_element(section_element(text_element("three"))),
    ),
    _round_trip(
        "numbers around a code block",
        "1. Install:\n\n```bash\npip install x\n```\n\n2. Run it.\n3. Done.",
        list_element(section_element(text_element("Install:")), style="ordered"),
        code_element("pip install x", "bash"),
        list_element(
            section_element(text_element("Run it.")),
            section_element(text_element("Done.")),
            style="ordered",
            offset=1,
        ),
    ),
    _round_trip(
        "a quote of two lines",
        "> said once\n> and twice\n\nIndeed.",
        quote_element(text_element("said once\nand twice")),
        section_element(text_element("Indeed.")),
    ),
    _round_trip(
        "signs that Slack would read elsewhere",
        "<!channel> @here <@U0ADA00001> a < b && c > d :smile: &lt;",
        section_element(text_element("<!channel> @here <@U0ADA00001> a < b && c > d :smile: &lt;")),
    ),
    _round_trip(
        "an address from the conversation",
        "See https://docs.example.org/a_b?c=d for more.",
        section_element(
            text_element("See "),
            link_element("https://docs.example.org/a_b?c=d"),
            text_element(" for more."),
        ),
        known_texts=("what is https://docs.example.org/a_b?c=d about?",),
    ),
    RichTextSample(
        "a heading",
        "# The plan\nSimple.\n\n## Next\n\nMore.",
        [
            section_element(
                text_element("The plan", "bold"),
                text_element("\nSimple.\n\n"),
                text_element("Next", "bold"),
                text_element("\nMore."),
            )
        ],
        "**The plan**\nSimple.\n\n**Next**\nMore.",
    ),
    RichTextSample(
        "an address of the model's own",
        "See [the docs](https://made.up/x).",
        [
            section_element(
                text_element("See the docs ("),
                text_element("https://made.up/x", "code"),
                text_element(")."),
            )
        ],
        "See the docs (`https://made.up/x`).",
    ),
    RichTextSample(
        "a table",
        "| a | n |\n|---|--:|\n| `x` | 10 |\n| yy | 9 |",
        [code_element("a  │  n\n───┼───\nx  │ 10\nyy │  9")],
        "```\na  │  n\n───┼───\nx  │ 10\nyy │  9\n```",
    ),
    RichTextSample(
        "a rule between paragraphs",
        "Before.\n\n---\n\nAfter.",
        [section_element(text_element("Before.\n\n────────────\n\nAfter."))],
        "Before.\n\n────────────\n\nAfter.",
    ),
    RichTextSample(
        "code the model did not close",
        "Here:\n```py\nx = 1",
        [section_element(text_element("Here:")), code_element("x = 1", "python")],
        "Here:\n\n```python\nx = 1\n```",
    ),
]
