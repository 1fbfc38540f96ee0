"""
Replies as the model writes them, the blocks the worker posts for them, and what comes back.

The worker's renderer is tested to produce these blocks, the bot's reader to recover from them.
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def text(words: str, *styles: str) -> Json:
    """One run of words in the given styles."""
    element: Json = {"type": "text", "text": words}
    return element | {"style": dict.fromkeys(styles, True)} if styles else element


def link(url: str) -> Json:
    """An address that stood in the conversation."""
    return {"type": "link", "url": url, "text": url}


def section(*elements: Json) -> Json:
    """Paragraphs."""
    return {"type": "rich_text_section", "elements": list(elements)}


def quote(*elements: Json) -> Json:
    """A quote."""
    return {"type": "rich_text_quote", "elements": list(elements)}


def code(words: str, language: str = "") -> Json:
    """A block of code."""
    element: Json = {"type": "rich_text_preformatted", "elements": [text(words)]}
    return element | {"language": language} if language else element


def items(*sections: Json, style: str = "bullet", indent: int = 0, offset: int = 0) -> Json:
    """A list, or the stretch of one that stands at one depth."""
    element: Json = {
        "type": "rich_text_list",
        "style": style,
        "indent": indent,
        "elements": list(sections),
    }
    return element | {"offset": offset} if offset else element


@dataclass(frozen=True)
class Sample:
    """
    One reply: `written` by the model, the `elements` of the one `rich_text` block it becomes, and
    the Markdown to `recover` from them. `known` are texts of people in the conversation.
    """

    name: str
    written: str
    elements: list[Json]
    recovered: str
    known: tuple[str, ...] = field(default=())

    @property
    def blocks(self) -> list[Json]:
        """The blocks of the message: the reply's words, then what we say about them."""
        about = {"type": "plain_text", "text": "Written by a language model.", "emoji": False}
        return [
            {"type": "rich_text", "elements": self.elements},
            {"type": "context", "elements": [about]},
        ]


def _same(name: str, written: str, *elements: Json, known: tuple[str, ...] = ()) -> Sample:
    return Sample(name, written, list(elements), written, known)


SAMPLES = [
    _same("one line", "Yes.", section(text("Yes."))),
    _same(
        "paragraphs and line breaks",
        "First line\nsecond line\n\nNext paragraph.",
        section(text("First line\nsecond line\n\nNext paragraph.")),
    ),
    _same(
        "styles",
        "A **bold**, *italic*, ~~gone~~ and `code` word, and ***both***.",
        section(
            text("A "),
            text("bold", "bold"),
            text(", "),
            text("italic", "italic"),
            text(", "),
            text("gone", "strike"),
            text(" and "),
            text("code", "code"),
            text(" word, and "),
            text("both", "bold", "italic"),
            text("."),
        ),
    ),
    _same(
        "code that looks like Markdown",
        "Call `__init__(*args, **kw)` or ``a`b``.",
        section(
            text("Call "),
            text("__init__(*args, **kw)", "code"),
            text(" or "),
            text("a`b", "code"),
            text("."),
        ),
    ),
    _same(
        "a code block between words",
        "Try:\n\n```python\ndef f(x):\n    return x ** 2\n\n\nprint(f(3))\n```\n\nIt prints 9.",
        section(text("Try:")),
        code("def f(x):\n    return x ** 2\n\n\nprint(f(3))", "python"),
        section(text("It prints 9.")),
    ),
    _same(
        "code without a language, indented at its start",
        "```\n    first\n  second\n```",
        code("    first\n  second"),
    ),
    _same(
        "code that holds fences",
        "````markdown\n# Use\n\n```sh\nmake\n```\n````",
        code("# Use\n\n```sh\nmake\n```", "markdown"),
    ),
    _same(
        "two code blocks in a row",
        "```bash\nmake\n```\n\n```json\n{}\n```",
        code("make", "bash"),
        code("{}", "json"),
    ),
    _same(
        "bullets with depth",
        "- one\n- two\n   - deeper **bold**\n- three",
        items(section(text("one")), section(text("two"))),
        items(section(text("deeper "), text("bold", "bold")), indent=1),
        items(section(text("three"))),
    ),
    _same(
        "numbers around a code block",
        "1. Install:\n\n```bash\npip install x\n```\n\n2. Run it.\n3. Done.",
        items(section(text("Install:")), style="ordered"),
        code("pip install x", "bash"),
        items(section(text("Run it.")), section(text("Done.")), style="ordered", offset=1),
    ),
    _same(
        "a quote of two lines",
        "> said once\n> and twice\n\nIndeed.",
        quote(text("said once\nand twice")),
        section(text("Indeed.")),
    ),
    _same(
        "signs that Slack would read elsewhere",
        "<!channel> @here <@U0ADA00001> a < b && c > d :smile: &lt;",
        section(text("<!channel> @here <@U0ADA00001> a < b && c > d :smile: &lt;")),
    ),
    _same(
        "an address from the conversation",
        "See https://docs.example.org/a_b?c=d for more.",
        section(text("See "), link("https://docs.example.org/a_b?c=d"), text(" for more.")),
        known=("what is https://docs.example.org/a_b?c=d about?",),
    ),
    Sample(
        "a heading",
        "# The plan\nSimple.\n\n## Next\n\nMore.",
        [
            section(
                text("The plan", "bold"),
                text("\nSimple.\n\n"),
                text("Next", "bold"),
                text("\nMore."),
            )
        ],
        "**The plan**\nSimple.\n\n**Next**\nMore.",
    ),
    Sample(
        "an address of the model's own",
        "See [the docs](https://made.up/x).",
        [section(text("See the docs ("), text("https://made.up/x", "code"), text(")."))],
        "See the docs (`https://made.up/x`).",
    ),
    Sample(
        "a table",
        "| a | n |\n|---|--:|\n| `x` | 10 |\n| yy | 9 |",
        [code("a  │  n\n───┼───\nx  │ 10\nyy │  9")],
        "```\na  │  n\n───┼───\nx  │ 10\nyy │  9\n```",
    ),
    Sample(
        "a rule between paragraphs",
        "Before.\n\n---\n\nAfter.",
        [section(text("Before.\n\n────────────\n\nAfter."))],
        "Before.\n\n────────────\n\nAfter.",
    ),
    Sample(
        "code the model did not close",
        "Here:\n```py\nx = 1",
        [section(text("Here:")), code("x = 1", "python")],
        "Here:\n\n```python\nx = 1\n```",
    ),
]
