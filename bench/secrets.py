"""Masking of secrets: recall by kind, false alarms in real code, and time."""

import statistics
import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import Final

from contract.masking import SecretKind, SecretMasker, mask_secrets
from testing.secret_samples import SampleMaker, generate_hostile_texts, read_snippets

QUESTION_CHARACTERS: Final = 4_000
HOSTILE_CHARACTERS: Final = 256 * 1024
THIRD_PARTY: Final = "site-packages"
"""Folder below the standard library that is not part of it."""


def main(seed: int) -> str:
    """Measure, and return the table."""
    total, found = Counter[SecretKind](), Counter[SecretKind]()
    for sample in SampleMaker(seed).generate_samples():
        masker = SecretMasker()
        is_masked = sample.secret not in masker.mask_text(sample.text)
        total[sample.kind] += 1
        found[sample.kind] += is_masked and masker.kinds == (sample.kind,)
    snippets, false = count_false_alarms()
    question_ms, hostile_ms = time_masking()
    complete = sum(found[kind] == total[kind] for kind in total)
    cells = [
        (f"secrets found, of {total.total()}", f"{found.total() / total.total():.1%}", "≥ 95 %"),
        ("kinds with all of them found", f"{complete} of {len(total)}", "≥ 20"),
        (f"pieces of real code changed, of {snippets:,}", f"{false / snippets:.2%}", "≤ 1 %"),
        (f"text of {QUESTION_CHARACTERS:,} characters, p50", f"{question_ms:.2f} ms", "< 1 ms"),
        ("hostile text of 256 KiB, maximum", f"{hostile_ms:.0f} ms", ""),
    ]
    rows = ["| figure | value | aim |", "|---|---|---|"]
    rows += [f"| {name} | {value} | {aim} |" for name, value, aim in cells]
    weak = [f"{kind} {found[kind]}/{total[kind]}" for kind in total if found[kind] < total[kind]]
    return "\n".join([*rows, "", f"Not all found: {', '.join(weak) or 'none'}."])


def count_false_alarms() -> tuple[int, int]:
    """Return the number of pieces of the standard library, and of those that are changed."""
    snippets = false = 0
    library = Path(sysconfig.get_path("stdlib"))
    for folder in sorted(path for path in library.iterdir() if path.name != THIRD_PARTY):
        for snippet in read_snippets(folder):
            snippets += 1
            false += mask_secrets(snippet) != snippet
    return snippets, false


def time_masking() -> tuple[float, float]:
    """Return the median for a question of code, and the maximum for hostile texts (ms)."""
    code = "".join(read_snippets(Path(__file__).parent))[:QUESTION_CHARACTERS]
    times = [_time_mask(code) for _ in range(200)]
    hostile = [_time_mask(text) for text in generate_hostile_texts(HOSTILE_CHARACTERS)]
    return statistics.median(times), max(hostile)


def _time_mask(text: str) -> float:
    started = time.thread_time()
    mask_secrets(text)
    return (time.thread_time() - started) * 1000
