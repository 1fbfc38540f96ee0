"""Excerpts of files: whole lines, byte for byte, within a number of tokens."""

import pytest

from contract.attached_files import FileReference
from testing.loaded_checkpoint import LoadedCheckpoint
from worker.prompt.file_excerpts import (
    REST,
    FileText,
    count_lines,
    cut_excerpt,
    show_content,
    show_preview,
)

LOG = "".join(f"{n} step done\n" for n in range(1, 1_001))


def test_short_file_is_whole(checkpoint: LoadedCheckpoint) -> None:
    """Nothing is added, left out or changed."""
    text = "a = 1\r\nb = '\t€'\n\n"
    found = cut_excerpt(checkpoint.tokenizer, FileText(text, shows_end=True), 100)

    assert (found.text, found.is_whole, found.is_visible) == (text, True, True)
    assert (found.head_lines, found.tail_lines, found.total_lines) == (3, 0, 3)


def test_long_code_keeps_its_beginning(checkpoint: LoadedCheckpoint) -> None:
    """Whole lines from the first one, and a line that says what is missing."""
    found = cut_excerpt(checkpoint.tokenizer, FileText(LOG), 200)
    head, _, mark = found.text.rstrip("\n").rpartition("\n")

    assert LOG.startswith(f"{head}\n")
    assert mark == f"[… lines {found.head_lines + 1:,} to 1,000 are left out …]"
    assert (found.head_lines, found.tail_lines) == (count_lines(head), 0)
    assert len(checkpoint.tokenizer.encode(found.text)) <= 200


def test_long_log_keeps_both_ends(checkpoint: LoadedCheckpoint) -> None:
    """The end of a log gets most of the room."""
    found = cut_excerpt(checkpoint.tokenizer, FileText(LOG, shows_end=True), 400)
    lines = found.text.splitlines(keepends=True)
    head, tail = lines[: found.head_lines], lines[found.head_lines + 1 :]

    assert LOG.startswith("".join(head))
    assert LOG.endswith("".join(tail))
    assert 0 < found.head_lines < found.tail_lines == len(tail)
    mark = f"[… lines {len(head) + 1:,} to {1_000 - len(tail):,} are left out …]\n"
    assert lines[found.head_lines] == mark
    assert len(checkpoint.tokenizer.encode(found.text)) <= 400


def test_file_that_was_cut_shows_no_end(checkpoint: LoadedCheckpoint) -> None:
    """The end of what was downloaded is not the end of the file."""
    found = cut_excerpt(checkpoint.tokenizer, FileText(LOG, is_cut=True, shows_end=True), 20_000)

    assert found.text == f"{LOG}{REST}\n"
    assert (found.is_whole, found.head_lines, found.tail_lines) == (False, 1_000, 0)


@pytest.mark.parametrize("shows_end", [True, False])
def test_one_long_line_is_shown_in_part(checkpoint: LoadedCheckpoint, *, shows_end: bool) -> None:
    """A minified file has no lines to choose from."""
    file = FileText("x = 1; " * 5_000, shows_end=shows_end)
    found = cut_excerpt(checkpoint.tokenizer, file, 200)
    mark, part = found.text.split("\n")

    assert mark == "[… a part of a long line …]"
    assert part
    assert file.text.endswith(part) if shows_end else file.text.startswith(part)
    assert (found.head_lines, found.tail_lines, found.is_visible) == (0, 0, True)


def test_too_few_tokens_show_nothing(checkpoint: LoadedCheckpoint) -> None:
    """Not even the line that says what is left out fits."""
    found = cut_excerpt(checkpoint.tokenizer, FileText(LOG), 5)

    assert (found.text, found.is_visible, found.total_lines) == ("", False, 1_000)


def test_empty_file_is_whole(checkpoint: LoadedCheckpoint) -> None:
    """It has no line."""
    found = cut_excerpt(checkpoint.tokenizer, FileText(""), 5)

    assert (found.is_whole, found.is_visible, found.total_lines) == (True, True, 0)


def test_fence_is_longer_than_any_in_the_file() -> None:
    """The file cannot end its own block; its language is Slack's, if it is one."""
    markdown = FileReference(id="F1", name="a.md", filetype="markdown")
    text = FileReference(id="F2", name="b.txt", filetype="text")

    assert show_content(markdown, "````\nx\n````\n") == (
        "(attached file: a.md)\n`````markdown\n````\nx\n````\n`````"
    )
    assert show_content(text, "no line end") == "(attached file: b.txt)\n```\nno line end\n```"


def test_unread_file_shows_what_slack_shows() -> None:
    """A name, or the first lines of a snippet."""
    snippet = FileReference(id="F1", name="a.py", filetype="python", preview="x", has_more=True)

    assert show_preview(FileReference(id="F2", name="b.png")) == "(attached file: b.png)"
    assert show_preview(snippet) == (
        "(attached file: a.py)\n```python\nx\n```\n(the file has more lines)"
    )
