"""Replies of prose and code blocks from the standard library, the same on every run."""

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

STDLIB_DIRECTORY: Final = Path(random.__file__).parent
SENTENCES: Final = [
    "Here is how that works in practice.",
    "The **important** part is the loop; `next()` raises when there is nothing left.",
    "Note that `__init__` runs first, and *then* the rest.",
    "You can also write it like this:",
    "- first it reads the input\n- then it sorts the lines\n- and writes them out again",
    "1. Copy it to a file.\n2. Run it.\n3. Look at the output.",
    "> It depends, as always, on what you need.",
]


@cache
def _source_files() -> tuple[tuple[str, ...], ...]:
    files = sorted(path for path in STDLIB_DIRECTORY.glob("*.py"))[:60]
    texts = [path.read_text("utf-8", "replace").replace("\x0c", "") for path in files]
    return tuple(
        tuple(text.split("\n"))
        for text in texts
        if "```" not in text and "~~~" not in text and text.isascii()
    )


def generate_replies(count: int, seed: int = 20) -> Iterator[tuple[str, list[str]]]:
    """Yield replies of 4,000 to 18,000 characters, each with all its code lines in order."""
    rng = random.Random(seed)  # noqa: S311 - not a secret
    for _ in range(count):
        yield _build_reply(rng, rng.randint(4_000, 16_000))


def _build_reply(rng: random.Random, length: int) -> tuple[str, list[str]]:
    text = ""
    code: list[str] = []
    while len(text) < length:
        lines = rng.choice(_source_files())
        start = rng.randrange(max(1, len(lines) - 10))
        block = _fit_lines(lines[start : start + rng.randint(3, 150)], 17_500 - len(text))
        if not any(line.strip() for line in block):
            continue
        text += f"{rng.choice(SENTENCES)}\n\n```python\n" + "\n".join(block) + "\n```\n\n"
        code += block
    return text, code


def _fit_lines(lines: tuple[str, ...], length: int) -> list[str]:
    fitting: list[str] = []
    for line in lines:
        length -= len(line) + 1
        if length < 0:
            break
        fitting.append(line)
    return fitting
