"""Replies that are the worst case of one pattern of the renderer, or of the Markdown parser."""

from typing import Final


def repeat_text(unit: str, length: int) -> str:
    """Repeat `unit` up to `length` characters."""
    return (unit * (length // len(unit) + 1))[:length]


REPEATED: Final = (
    *("[", "![", "]", "[]", "[a](", "[a](b)", "[a](<b", '[a](b "', "[a](b) ", "![a](b)", "[[a](b)"),
    *("*", "*a ", "a**b", "*a_ ", "**a *b ", "**a** b ", "_a_ ", "*_", "~~a ", "~", "~~~~a", "**a"),
    *("`", "`a", "` ", "``a`", "`a` ", "<", "<a:"),
    *("<a b", "<a>", "<a@b>", "\\", "\\*", "\\a", "\\ "),
    *("&", "&a", "&amp;", "&#", "&lt;", "!", "!!", "#", "@a.:#", "(", ")", ")(", "{", '"', "'"),
    *("\n", " \n", "a\n", "a\n\n", "a  \n", "a\\\n", "\r", "\t", " ", "\t \n", "\x01", "\u2028"),
    *(">", "> ", ">\n", "> a\n", ">a\n\n"),
    *("> > a\n", "> - a\n", ">>> x\n", "> ```\n", "> a\n- b\n"),
    *("- ", "-\n", "- a\n", "- a\n\n", "* * "),
    *("1. a\n", "1. a\n- b\n", "- a\n  b\n", "0. a\n", "+ "),
    *("---\n", "***", "# a\n", "#\n", "# a #\n"),
    *("a\n---\n", "===\n", "    x\n", "    x\n\n", "\tx\n"),
    *("|", "|\n", "|-\n", "a|b\n-|-\n"),
    *("-|-\n", "|a|b|\n|-|-|\n|c|d|\n\n", "|a\n|-\n", "\\|", "| "),
    *("https://a.com/ ", "https://", "a.com ", "a.com"),
    *("a.", "a-", "www.", "http://a.b.c.d ", "a:b "),
    *("mailto:a@b.c ", "//a.com ", "logging.info "),
    *("a@b.com ", "https://a.com/) ", "javascript:x "),
    *("```\nx\n```\n", "```python\nx=1\n```\n", "``` \n`` "),
    *("~~~\n", "```\n\n", "a```\n", "```a\nb```\n"),
    *("x = 1\n", "def f():\n", "    return x\n", ">>> f()\n1\n"),
    *("$ ls\n", "if x:\n", "x;\n", "}\n", "{\n"),
    *("<|end|>", "<|end|> ", "<|system|>", "Ada: x\n"),
    *("word ", "word\n", "x", "so so so ", "C:\\a\\_b "),
    *("\u202e", "\u200b", "\u202e\u2066", "a\u0301"),
    *("👩\u200d", "👩\u200d👩", "م\u200cم", "𝕏", "含**「重」**"),
)  # fmt: skip
"""Units that a reply may repeat, in prose and inside a code block."""

AROUND: Final = {
    "a run of spaces in a fence's line": ("~~~ a", " ", "b"),
    "spaces in a backtick fence's line": ("``` a", " ", "b"),
    "tabs in a fence's line": ("~~~", "\t", "b\nx"),
    "spaces after words": ("a", " ", "b"),
    "spaces in a heading": ("# a", " ", "b"),
    "hashes after a heading": ("# a ", "#", "b"),
    "spaces in a table's delimiters": ("a|b\n|", " ", "x"),
    "dashes in a table's delimiters": ("a|b\n", "-", "x"),
    "one wide row": ("|a|\n|-|\n", "|", "\nb"),
    "styled cells": ("|a|\n|-|\n", "*b* `c` [d](e)\n", ""),
    "rows shorter than a wide header": ("|a" * 1_000 + "\n" + "|-" * 1_000 + "\n", "|b\n", ""),
    "lazy lines of a deep quote": (">" * 39 + "a\n", "b\n", ""),
    "lazy lines of a deep list": ("- " * 19 + "a\n", "b\n", ""),
    "a fence in a deep quote": (">" * 2_000 + "```\n", ">" * 200 + "x\n", ""),
    "a fence in a shallow quote": ("> > ```\n", "> > x\n", ""),
    "nested blocks in a Markdown block": ("```md\n", "```a\n", ""),
    "empty lines of code": ("```\n", "\n", "a\n```"),
    "spaces of code": ("```\n", " ", "a\n```"),
    "one line of code": ("```\n", "x", "\n```"),
    "lines of Python": ("```python\n", "x = 1\n", "```"),
    "calls of Python": ("```python\n", "f(a, b)\n", "```"),
    "signs of Python": ("```python\n", "-", "1\n```"),
    "nested Python": ("```python\n", "(", "\n```"),
    "statements of Python": ("```python\n", "1;", "\n```"),
    "nested JSON": ("```json\n", "[", "\n```"),
    "values of JSON": ("```json\n[", "1,", "1]\n```"),
    "invisible characters of code": ("```\n", "\u200b\u200c", "\n```"),
    "joined emoji of code": ("```\n", "👩\u200d", "\n```"),
    "an endless address": ("https://a.com/", "x", ""),
    "brackets after an address": ("https://a.com/", ")", ""),
    "stops after an address": ("https://a.com", ".", ""),
    "brackets of a link's address": ("[a](", "(", ")"),
    "end marks": ("Yes.", "<|endoftext|>\n", ""),
    "balanced brackets": ("", "[", "]" * 4_000),
    "a table of one column": ("|a|\n|-|\n", "|b|\n", ""),
    "items in a quote": ("> - a\n", "> - b\n", ""),
    "words before a fence": ("Code:```python\n", "x```\n", ""),
    "indented lines after words": ("Do this:\n", "    a_b = *c\n", ""),
}
"""Texts around a repeated unit, by name: before, repeated, after."""


def generate_worst_replies(length: int) -> dict[str, str]:
    """Return each worst case by its name, about `length` characters long."""
    staircase = "".join("  " * level + "- a\n" for level in range(19))
    ticks = "".join("`" * count + "a" for count in range(1, 500))
    return {
        **{repr(unit)[1:-1]: repeat_text(unit, length) for unit in REPEATED},
        **{name: first + repeat_text(unit, length) + end
           for name, (first, unit, end) in AROUND.items()},
        "lists that deepen": repeat_text(staircase, length),
        "runs of backticks": repeat_text(ticks, length),
    }  # fmt: skip
