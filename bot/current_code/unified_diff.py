"""Unified diffs that `patch` applies, in time that grows with the length of both texts."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

CONTEXT_LINES: Final = 3
NO_LINE_END: Final = "\n\\ No newline at end of file\n"


class Edit(NamedTuple):
    """A line that stays (" "), goes ("-") or comes ("+")."""

    mark: str
    line: str


def build_diff(name: str, old: str, new: str) -> str:
    """Return the unified diff of a file in the present folder; empty if nothing changes."""
    edits = list(_list_edits(_split_lines(old), _split_lines(new)))
    hunks = "".join(_build_hunks(edits))
    # A tab ends a name with a space in it.
    shown = f"{name}\t" if " " in name else name
    return f"--- {shown}\n+++ {shown}\n{hunks}" if hunks else ""


def _split_lines(text: str) -> list[str]:
    lines = [f"{line}\n" for line in text.split("\n")]
    return lines[:-1] if text.endswith("\n") or not text else [*lines[:-1], lines[-1][:-1]]


def _list_edits(old: Sequence[str], new: Sequence[str]) -> Iterator[Edit]:
    """Yield the edits from old to new lines, in order."""
    i = j = 0
    for place, counterpart in (*_match_lines(old, new), (len(old), len(new))):
        yield from (Edit("-", line) for line in old[i:place])
        yield from (Edit("+", line) for line in new[j:counterpart])
        if place < len(old):
            yield Edit(" ", old[place])
        i, j = place + 1, counterpart + 1


def _match_lines(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the lines that stay, as indexes in both: around lines that both have once."""
    matched: list[tuple[int, int]] = []
    i = j = 0
    for place, counterpart in (*_find_anchors(old, new), (len(old), len(new))):
        while i < place and j < counterpart and old[i] == new[j]:
            matched.append((i, j))
            i, j = i + 1, j + 1
        back = 0
        while place - back > i and counterpart - back > j:
            if old[place - back - 1] != new[counterpart - back - 1]:
                break
            back += 1
        matched += [(place - k, counterpart - k) for k in range(back, 0, -1)]
        i, j = place, counterpart
    return matched


def _find_anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return lines that both texts have once, in an order that both share (patience diff)."""
    counts, new_counts = Counter(old), Counter(new)
    places = {line: j for j, line in enumerate(new) if new_counts[line] == 1}
    pairs = [
        (i, places[line]) for i, line in enumerate(old) if counts[line] == 1 and line in places
    ]
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        before.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(j)
            last.append(number)
        else:
            ends[length], last[length] = j, number
    chain: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _build_hunks(edits: Sequence[Edit]) -> Iterator[str]:
    changed = [index for index, edit in enumerate(edits) if edit.mark != " "]
    groups: list[tuple[int, int]] = []
    for index in changed:
        start, end = max(0, index - CONTEXT_LINES), min(len(edits), index + CONTEXT_LINES + 1)
        if groups and start <= groups[-1][1]:
            groups[-1] = groups[-1][0], end
        else:
            groups.append((start, end))
    old = new = position = 0
    for start, end in groups:
        old += sum(edit.mark != "+" for edit in edits[position:start])
        new += sum(edit.mark != "-" for edit in edits[position:start])
        yield _build_hunk(edits[start:end], old, new)
        old += sum(edit.mark != "+" for edit in edits[start:end])
        new += sum(edit.mark != "-" for edit in edits[start:end])
        position = end


def _build_hunk(edits: Sequence[Edit], old: int, new: int) -> str:
    removed = sum(edit.mark != "+" for edit in edits)
    added = sum(edit.mark != "-" for edit in edits)
    # A range without lines names the line before it.
    start, counterpart = old + bool(removed), new + bool(added)
    lines = (
        f"{edit.mark}{edit.line}"
        if edit.line.endswith("\n")
        else f"{edit.mark}{edit.line}{NO_LINE_END}"
        for edit in edits
    )
    return f"@@ -{start},{removed} +{counterpart},{added} @@\n{''.join(lines)}"
