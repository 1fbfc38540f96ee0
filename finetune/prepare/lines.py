"""Reader of JSON lines, with a bound for each line."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from finetune.errors import FinetuneError

MAX_LINE_BYTES: Final = 2**20


def read_lines(file: Path, digest: "hashlib._Hash") -> Iterator[tuple[int, bytes | None]]:
    """
    Yield the number of each line that is not blank, and its bytes, `None` if it is too long.

    All bytes go into `digest` too, because a pipe can be read once only.
    """
    try:
        with file.open("rb") as lines:
            yield from _read_bounded(lines, digest)
    except OSError as error:
        raise FinetuneError(f"{file} cannot be read: {error.strerror}") from error


def _read_bounded(lines: BinaryIO, digest: "hashlib._Hash") -> Iterator[tuple[int, bytes | None]]:
    number, is_continued = 0, False
    while line := lines.readline(MAX_LINE_BYTES):
        digest.update(line)
        is_whole = line.endswith(b"\n") or len(line) < MAX_LINE_BYTES
        number += not is_continued
        if not is_continued and not is_whole:
            yield number, None
        elif not is_continued and line.strip():
            yield number, line
        is_continued = not is_whole
