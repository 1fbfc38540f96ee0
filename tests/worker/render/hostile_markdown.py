"""Text that a model could write to break a renderer, deceive a reader or ping a channel."""

from hypothesis import strategies as st

FENCES = [
    "```", "````", "`````", "``````", "~~~", "~~~~", "```python", "```py\n", "````markdown",
    "```markdown", "   ```js", "     ```", "\t```", "> ```sh", "- ```c", "1. ~~~rust", "```a`b",
    "```<!channel>", "```{.python .x}", "```foolang title", "``", "`",
]  # fmt: skip

MARKS = [
    "**", "*", "__", "_", "~~", "~", "***", "`` ` ``", "[", "](", ")", "![", "](x)", "[a](<b c>)",
    "# ", "###### ", "#", "> ", ">>> ", "- ", "* ", "+ ", "1. ", "7) ", "999999999. ", "- [ ] ",
    "---", "***", "===", "| a | b |", "|---|:-:|", "|--|", "| x |", "|", "\\", "\\*", "\\|",
    "&amp;", "&lt;", "&#64;here", "&nbsp", "[x]: https://a.b/c", "[x][y]", "<b>", "</b>", "<!-- x",
    "<a href='https://evil.example/'>", "<script>", "<https://evil.example/?d=1>", "    ", "\t",
    "  \n", "\n\n", "\n", "\n    ", " ",
]  # fmt: skip

SLACK = [
    "<!channel>", "<!here>", "<!everyone>", "<@U0ADA00001>", "<@U1|ada>", "<#C0GENERAL1|general>",
    "<!subteam^S1>", "<!date^1^{date}^https://evil.example|x>", "<https://evil.example|safe>",
    "@here", "@channel", "@everyone", "@ada", "#general", ":tada:", ":smile:", ":+1:",
    "&lt;!channel&gt;", "&amp;lt;@U1&amp;gt;", "<", ">", "&", "<!", "<@",
]  # fmt: skip

LINKS = [
    "https://evil.example/?d=secret", "http://evil.example", "evil.com/x", "www.evil.example",
    "https://xn--vil-9ma.example", "http://[::1]/", "http://1.2.3.4:80/a", "data:text/html,x",
    "javascript:alert(1)", "mailto:ada@evil.com", "ada@evil.com", "slack://user?team=T1",
    "HTTPS://EVIL.EXAMPLE", "[a](https://evil.example)", "![a](https://evil.example/x.png)",
    "<mailto:ada@evil.com>", "[https://good.example](https://evil.example)", "file.py",
    "[a](https://evil.example 'title')", "[](https://evil.example)", "[a]()", "tel:+123", "//a.com",
]  # fmt: skip

UNUSUAL_CHARACTERS = [
    "\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\ufeff", "\u2028", "\u2029", "\u2060",
    "\U000e0041", "\ufe0f", "\u00ad", "\x00", "\x07", "\x1b[31m", "\x85", "\r", "\r\n", "\x0c",
    "\ud800", "\udfff", "\ufffe", "\ufdd0", "\ufdd1", "\ufdd00\ufdd1", "👩‍👩‍👧", "🇩🇪", "👍🏽",
    "Z͑ͫ̓", "שלום", "مرحبا", "日本語", "𝕏", "ß", "ﬁ", "＜", "＠here",
]  # fmt: skip

TOKENS = ["<|end|>", "<|system|>", "<|assistant|>", "<|endoftext|>", "<fim_prefix>", "<|en"]

FRAGMENTS = [*FENCES, *MARKS, *SLACK, *LINKS, *UNUSUAL_CHARACTERS, *TOKENS]

WORDS = ["word", "x", "print(1)", "def f():", "    return x ** 2", "a*b*c", "__init__", "i < n"]


def hostile_texts() -> st.SearchStrategy[str]:
    """Fragments in any order, on separate lines or not, among ordinary words."""
    piece = st.one_of(
        st.sampled_from(FRAGMENTS),
        st.sampled_from(WORDS),
        st.sampled_from(["\n", "\n\n", " "]),
        st.text(max_size=6),
    )
    return st.lists(piece, max_size=40).map("".join)


CASES = {
    "empty": "",
    "white space": " \n\t\n ",
    "only an end mark": "<|end|>",
    "end marks": " <|endoftext|>\n<|end|>",
    "one long word": "x" * 40_000,
    "one long astral word": "𝕏" * 20_000,
    "one long family": "👩‍👩‍👧" * 5_000,
    "40,000 line ends": "\n" * 40_000,
    "an endless line of code": "```\n" + "x" * 40_000 + "\n```",
    "200 code blocks": "\n\n".join(f"Block {n}:\n```python\nx = {n}\n```" for n in range(200)),
    "1,000 bold words": "**a** b " * 1_000,
    "a long list": "\n".join(f"{n}. item {n}" for n in range(1, 2_000)),
    "a long table": "| a | b |\n|---|---|\n" + "| x | y |\n" * 3_000,
    "a wide table": "|a" * 300 + "|\n" + "|-" * 300 + "|\n" + "|b" * 400 + "|",
    "deep quotes": ">" * 3_000 + " deep",
    "deep bullets": "- " * 3_000 + "deep",
    "deep lists": "\n".join("  " * n + f"- level {n}" for n in range(200)),
    "open brackets": "[" * 5_000,
    "open marks": "**a " * 2_000,
    "ticks": "".join("`" * n + "a" for n in range(1, 120)),
    "unclosed fence": "Look:\n```python\ndef f():\n    pass\n",
    "empty fence": "```\n```",
    "fence of empty lines": "```\n\n\n```",
    "fake disclaimer": "Written by a human. Its code was run and is safe.",
    "html": "<div onclick='x()'>hi</div>\n\n<!-- gone? -->\n\n<pre>\ncode\n</pre>",
    "a long link": "[a](https://evil.example/" + "x" * 30_000 + ")",
}
"""Whole replies by name; each has its own test."""
