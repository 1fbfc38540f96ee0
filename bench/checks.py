"""Checks benchmark: the time that checks add to a reply, and the memory of their processes."""

import asyncio
import os
import random
import statistics
import time
import tomllib
from dataclasses import dataclass, field
from typing import Any, Final

from testing.environment import REPOSITORY
from testing.process_tree import list_children, read_command, resident_mib
from worker.checks.pool import CheckPool
from worker.render import ReplyFacts, list_checkable, parse_reply
from worker.render.model import CodeBlock

SAMPLES: Final = REPOSITORY / "tests" / "worker" / "checks" / "samples.toml"
REPLY_CHARACTERS: Final = 4_000
BLOCKS: Final = 3
BROKEN_SHARE: Final = 0.25
SEED: Final = 1
MAX_P50_MS: Final = 60
MAX_P95_MS: Final = 250
MAX_MEMORY_MIB: Final = 150
MS_PER_SECOND: Final = 1000


@dataclass
class CheckFigures:
    """Milliseconds of each reply, blocks with and without a verdict, and MiB of the processes."""

    first_ms: float = 0.0
    reply_ms: list[float] = field(default_factory=list)
    blocks: int = 0
    answered: int = 0
    start_mib: float = 0.0
    end_mib: float = 0.0


def main(replies: int) -> str:
    """Measure, and return the table."""
    return format_checks(asyncio.run(measure_checks(replies)))


async def measure_checks(count: int) -> CheckFigures:
    """Check the code of `count` replies one after another, in the children of a worker's pool."""
    chosen = random.Random(SEED)  # noqa: S311 - a reproducible choice
    samples = tomllib.loads(SAMPLES.read_text("utf-8"))
    figures = CheckFigures()
    async with CheckPool() as pool:
        figures.first_ms = await _check_reply(pool, compose_text(samples, chosen), CheckFigures())
        figures.start_mib = measure_memory()
        for _ in range(count):
            text = compose_text(samples, chosen)
            figures.reply_ms.append(await _check_reply(pool, text, figures))
        figures.end_mib = measure_memory()
    return figures


def compose_text(samples: dict[str, Any], chosen: random.Random) -> str:
    """Return a reply of about 4,000 characters with three blocks of code, a few of them broken."""
    parts = []
    for language in chosen.sample(sorted(samples), BLOCKS):
        good, broken = samples[language]["good"], samples[language]["broken"]
        code = ""
        while len(code) < REPLY_CHARACTERS // BLOCKS:
            code += f"{chosen.choice(good)}\n"
        if broken and chosen.random() < BROKEN_SHARE:
            code += chosen.choice(broken)[0]
        parts.append(f"Some words about it:\n\n```{language}\n{code}\n```\n")
    return "\n".join(parts)


async def _check_reply(pool: CheckPool, text: str, figures: CheckFigures) -> float:
    blocks: list[CodeBlock] = list_checkable(
        parse_reply(text, facts=ReplyFacts("m", "stop", 1)).pieces
    )
    started = time.perf_counter()
    verdicts = await pool.check_blocks(blocks)
    seconds = time.perf_counter() - started
    figures.blocks += len(blocks)
    figures.answered += len(verdicts)
    return seconds * MS_PER_SECOND


def measure_memory() -> float:
    """Return the resident memory of the checks' processes in MiB."""
    children = list_children(os.getpid())
    return sum(resident_mib(pid) for pid in children if "worker.checks" in read_command(pid))


def format_checks(figures: CheckFigures) -> str:
    """Return the figures as a Markdown table."""
    p95 = statistics.quantiles(figures.reply_ms, n=20)[-1]
    p50, longest = statistics.median(figures.reply_ms), max(figures.reply_ms)
    checked = f"{figures.answered} of {figures.blocks}"
    rows = [
        ("checks of a reply, p50", f"{p50:.1f} ms", f"≤ {MAX_P50_MS} ms"),
        ("checks of a reply, p95", f"{p95:.1f} ms", f"≤ {MAX_P95_MS} ms"),
        ("checks of a reply, maximum", f"{longest:.1f} ms", ""),
        ("the first reply, with the start of the processes", f"{figures.first_ms:.1f} ms", ""),
        ("blocks that were answered in time", checked, ""),
        ("memory of the processes after the first reply", f"{figures.start_mib:.0f} MiB", ""),
        (
            "memory of the processes at the end (VmRSS)",
            f"{figures.end_mib:.0f} MiB",
            f"≤ {MAX_MEMORY_MIB} MiB",
        ),
    ]
    lines = ["| figure | value | aim |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {value} | {aim} |" for name, value, aim in rows)])
