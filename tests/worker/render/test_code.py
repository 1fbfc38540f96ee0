"""Code in replies: every line arrives byte for byte, in any container and at any length."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.language import Language
from testing.code_replies import generate_replies
from testing.slack_parser import extract_code_lines, find_elements, find_problems, model_text
from tests.worker.render.hostile_markdown import FRAGMENTS
from worker.render import Message, ReplyFacts, Snippet, compose_final, compose_growing
from worker.render.model import MAX_INLINE_CODE_UNITS, MAX_MESSAGES

FACTS = ReplyFacts("StarChat-β", "stop", 256)

LINE = st.one_of(
    st.text(
        st.characters(codec="ascii", exclude_characters="`~\x7f", min_codepoint=32), max_size=40
    ),
    st.sampled_from(FRAGMENTS).filter(
        lambda line: line.isascii() and line.isprintable() and "\n" not in line
    ),
    st.sampled_from(["", "    x = 1", "\tif x:", "  - y", "``", "a ``` b", "é = '😀'", "| a |"]),
)
PROSE = st.sampled_from(["Like this:", "- an item", "1. a step", "> said", "**so**", "# Then", ""])


def _may_close_block(line: str, mark: str) -> bool:
    """Whether a line begins with the fence: words behind it may be prose that is glued to it."""
    return line.strip().startswith(mark)


@st.composite
def _code_replies(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A reply of prose and closed blocks, and all its lines of code."""
    text, code = "", []
    for _ in range(draw(st.integers(1, 6))):
        mark = draw(st.sampled_from(["```", "~~~", "````", "~~~~~~"]))
        tag = draw(st.sampled_from(["", "python", "c++", "none", "sh"]))
        block = [
            line for line in draw(st.lists(LINE, max_size=12)) if not _may_close_block(line, mark)
        ]
        text += "\n".join([draw(PROSE), f"{mark}{tag}", *block, mark, ""])
        code += block if any(line.strip() for line in block) else []
    return text, code


@given(_code_replies())
@settings(max_examples=150)
@example(("\n```\n\n  x\n\n```\n", ["", "  x", ""]))
def test_code_lines_are_unchanged(reply: tuple[str, list[str]]) -> None:
    """Empty lines, indents and marks inside a block stay; nothing around it gets in."""
    text, code = reply

    assert extract_code_lines(compose_final(text, facts=FACTS)) == code


@pytest.mark.repeats
@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.slow)])
def test_long_replies_keep_every_code_line(count: int) -> None:
    """Replies of 4,000 to 18,000 characters with code of the standard library are complete."""
    for text, code in generate_replies(count):
        parts = compose_final(text, facts=FACTS)

        assert extract_code_lines(parts) == code
        assert len([part for part in parts if isinstance(part, Message)]) <= MAX_MESSAGES
        for part in parts:
            if isinstance(part, Message):
                assert find_problems(part) == []
                assert "```" not in model_text([part])


@given(st.integers(1, 90), st.integers(2, 60))
@settings(max_examples=8)
def test_very_long_reply_ends_with_a_file(blocks: int, lines: int) -> None:
    """A reply with too many messages ends with a file that contains all of it."""
    code = [f"    value_{n} = {n}" for n in range(lines)]
    text = "Look:\n\n```python\n" + "\n".join(code) + "\n```\n"
    text *= blocks
    parts = compose_final(text, facts=FACTS)

    files = [part for part in parts if isinstance(part, Snippet)]
    if files:
        assert files[0].filename == "reply.md"
        assert files[0].content == text
        assert parts[-1] == files[0]
    else:
        assert extract_code_lines(parts) == code * blocks


@pytest.mark.parametrize("tag", ["python", "", "unheard-of"])
@pytest.mark.parametrize("lines", [1, 1_000])
def test_long_code_becomes_a_file(tag: str, lines: int) -> None:
    """The file has exactly the code; the text around it stays in messages, in order."""
    code = ["x" * (MAX_INLINE_CODE_UNITS // lines + 1) for _ in range(lines)]
    text = f"Before.\n\n```{tag}\n" + "\n".join(code) + "\n```\n\nAfter."
    before, file, after = compose_final(text, facts=FACTS)

    assert isinstance(file, Snippet)
    assert file.content == "\n".join(code) + "\n"
    assert file.filename == ("reply-1.py" if tag == "python" else "reply-1.txt")
    assert file.snippet_type == ("python" if tag == "python" else "text")
    assert model_text([before]).startswith("Before.")
    assert model_text([after]) == "After."


def test_reply_starting_with_a_file_has_a_message() -> None:
    """The placeholder becomes a message that names the files after it."""
    block = "```python\n" + "x = 1\n" * 2_000 + "```\n"
    first, *files = compose_final(block + block, facts=FACTS)

    assert isinstance(first, Message)
    assert find_problems(first) == []
    assert [file.filename for file in files if isinstance(file, Snippet)] == [
        "reply-1.py",
        "reply-2.py",
    ]


LIST_WITH_CODE = """1. Write this:
   ```python
def f():
    return 1
   ```
2. Then run it."""


def test_code_indented_less_than_its_list_is_code() -> None:
    """Models often indent only the fences of a block in a list."""
    parts = compose_final(LIST_WITH_CODE, facts=FACTS)

    assert extract_code_lines(parts) == ["def f():", "    return 1"]
    assert [
        found["offset"] for found in find_elements(parts, "rich_text_list") if "offset" in found
    ] == [1]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("- item\n\n  ```\n  a\n    b\n  ```", ["a", "  b"]),
        ("- ```\n  a\n    b\n  ```", ["a", "  b"]),
        ("> ```sh\n> a\n>   b\n> ```\n> said", ["a", "  b"]),
        ("> ```sh\n> a\nnot quoted", ["a"]),
        ("1. x\n\n\t```\n\ta\n\t\tb\n\t```", ["a", "\tb"]),
        ("1. x\n\n\t```\n    a\n        b\n    ```", ["a", "    b"]),
        ("text\n        ```\n        a\n        ```", ["a"]),
        ("```\n    ```\n```", ["    ```"]),
        ("~~~\n```\n~~~", ["```"]),
        ("````\n```\nx\n```\n````", ["```", "x", "```"]),
        ("```markdown\n# t\n```sh\nmake\n```\nend\n```", ["# t", "```sh", "make", "```", "end"]),
        ("a paragraph\n```\nx\n```\nanother", ["x"]),
        ("para\n\n    by indentation\n\n      alone\n\nend", ["by indentation", "", "  alone"]),
        ("```\nnever closed\n", ["never closed"]),
        ("`x`\n\n    one\n    ```\n    two\n    ```\n    three", ["one", "two", "three"]),
    ],
)  # fmt: skip
def test_code_is_found_in_lists_and_quotes(text: str, code: list[str]) -> None:
    """The container's margin is removed, everything else stays."""
    assert extract_code_lines(compose_final(text, facts=FACTS)) == code
    assert extract_code_lines([compose_growing(text.rstrip("\n") + "\n", Language.ENGLISH)]) == code


@pytest.mark.parametrize(
    ("tag", "language", "caption"),
    [
        ("python", "python", ""), ("py", "python", ""), ("Python3", "python", ""),
        ("c++", "cpp", ""), ("sh", "bash", ""), ("text", None, ""), ("", None, ""),
        ("{.python .numberLines}", "python", ".numberLines"),
        ("js title=a.js", "javascript", "title=a.js"),
        ("python,linenos", "python", "linenos"), ("mermaid", None, "mermaid"),
        ("<!channel>", None, "<!channel>"),
    ],
)  # fmt: skip
def test_unknown_language_tag_is_shown_as_caption(
    tag: str, language: str | None, caption: str
) -> None:
    """A tag that is no known language, or says more, is shown above the code."""
    parts = compose_final(f"```{tag}\nx\n```", facts=FACTS)
    (block,) = find_elements(parts, "rich_text_preformatted")

    assert block.get("language") == language
    assert model_text(parts) == f"{caption}x"
