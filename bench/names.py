"""Hints about names: labelled uses, hints about modules of installed packages, and time."""

import statistics
import sysconfig
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from worker.checks.names.hints import CHANGED, NEWER, find_name_hints
from worker.checks.names.name_lists import DATA_DIRECTORY, load_name_lists

LABELLED_USES: Final = Path(__file__).parents[1] / "tests/worker/checks/names/labelled_uses.toml"
REPLY_CHARACTERS: Final = 4_000
TEST_FOLDERS: Final = frozenset({"test", "tests"})


def main(modules: int) -> str:
    """Measure, and return the table."""
    right, false, missed = count_labelled_uses()
    num_modules, num_hints = count_module_hints(modules)
    data_bytes = sum(file.stat().st_size for file in DATA_DIRECTORY.iterdir())
    cells = [
        ("hints of labelled uses that are right", f"{right / (right + false):.1%}", "≥ 95 %"),
        ("wrong names that have a hint", f"{right / (right + missed):.1%}", ""),
        (f"unknown names in {num_modules:,} modules of packages", f"{num_hints}", ""),
        (
            f"Python code of {REPLY_CHARACTERS:,} characters, p50",
            f"{time_check():.1f} ms",
            "≤ 5 ms",
        ),
        ("size of the lists", f"{data_bytes / 2**20:.1f} MiB", "≤ 20 MiB"),
    ]
    rows = ["| figure | value | aim |", "|---|---|---|"]
    return "\n".join([*rows, *(f"| {name} | {value} | {aim} |" for name, value, aim in cells)])


def count_labelled_uses() -> tuple[int, int, int]:
    """Return the numbers of right hints, of false ones, and of wrong names without a hint."""
    lists = load_name_lists()
    right = false = missed = 0
    for group in tomllib.loads(LABELLED_USES.read_text("utf-8"))["group"]:
        for label in ("real", "wrong"):
            for name in group[label]:
                code = group["form"].replace("{}", name, 1)
                found = find_name_hints(group["language"], code, lists)
                has_hint = any(hint.kind != NEWER for hint in found)
                right += has_hint and label == "wrong"
                false += has_hint and label == "real"
                missed += not has_hint and label == "wrong"
    return right, false, missed


def count_module_hints(limit: int) -> tuple[int, int]:
    """
    Return the number of modules of installed packages, at most `limit`, and of names in no list.

    Names that a library has removed do not count: old modules do use them.
    """
    lists = load_name_lists()
    found = [find_name_hints("python", text, lists) for text in _read_modules(limit)]
    return len(found), sum(hint.kind not in {CHANGED, NEWER} for hints in found for hint in hints)


def time_check() -> float:
    """Return the median time for the code of a reply (ms)."""
    lists = load_name_lists()
    code = Path(__file__).read_text("utf-8")[:REPLY_CHARACTERS].rpartition("\n\n\n")[0]
    times = []
    for _ in range(100):
        started = time.thread_time()
        find_name_hints("python", code, lists)
        times.append((time.thread_time() - started) * 1000)
    return statistics.median(times)


def _read_modules(limit: int) -> Iterator[str]:
    files = sorted(Path(sysconfig.get_path("purelib")).rglob("*.py"))
    for file in files[:limit]:
        if not TEST_FOLDERS & {*file.parts}:
            yield file.read_text("utf-8", "replace")
