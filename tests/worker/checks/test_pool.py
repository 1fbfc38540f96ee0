"""Check pool: hostile code costs its own verdict, and nothing else."""

import asyncio
import os
import signal
import sys
import tomllib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from contract.code_languages import find_language
from contract.code_verdicts import CodeVerdict, VerdictKind
from testing.process_tree import find_survivors, list_children
from testing.slack_parser import context_texts
from worker.answering.publishing.reply_layout import LayoutKind, ReplyLayout
from worker.checks import pool as pool_module
from worker.checks.pool import (
    MAX_BLOCK_CHARACTERS,
    MAX_BLOCK_SECONDS,
    MAX_REPLY_SECONDS,
    NUM_CHILDREN,
    CheckPool,
)
from worker.checks.python_code import PYTHON
from worker.render import ReplyFacts
from worker.render.model import BlockFindings, CodeBlock
from worker.wording.classifier import TIMEOUT_SECONDS

GOOD = CodeBlock("x = 1", find_language("python"))
PARSES = BlockFindings(verdict=CodeVerdict(kind=VerdictKind.PARSES, code=PYTHON))


@pytest.fixture
async def pool() -> AsyncGenerator[CheckPool]:
    """A pool whose children are ready, and have time on a busy machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "MAX_BLOCK_SECONDS", 60.0)
        patch.setattr(pool_module, "MAX_REPLY_SECONDS", 120.0)
        async with CheckPool() as pool:
            await check_side_by_side(pool)
            yield pool


async def check_side_by_side(pool: CheckPool) -> list[dict[CodeBlock, BlockFindings]]:
    """Return the findings of as many replies as there are children, at the same time."""
    return await asyncio.gather(*(pool.check_blocks([GOOD]) for _ in range(NUM_CHILDREN)))


def list_pids(pool: CheckPool) -> list[int]:
    """Return the process ids of the children."""
    return [child._process.pid for child in pool._children if child._process is not None]


async def test_killed_children_are_replaced(pool: CheckPool) -> None:
    """The block of a dead child is not checked; the next one is."""
    killed = list_pids(pool)
    assert len(killed) == NUM_CHILDREN
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await asyncio.to_thread(find_survivors, set(killed))

    assert await check_side_by_side(pool) == [{}] * NUM_CHILDREN
    assert await check_side_by_side(pool) == [{GOOD: PARSES}] * NUM_CHILDREN
    assert not {*killed} & {*list_pids(pool)}


async def test_hanging_child_costs_its_block_alone(
    pool: CheckPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply gets no verdict on it, and the child is killed."""
    pids = list_pids(pool)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 0.01)
    assert await check_side_by_side(pool) == [{}] * NUM_CHILDREN
    assert not await asyncio.to_thread(find_survivors, set(pids))

    monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 60.0)
    assert await pool.check_blocks([GOOD]) == {GOOD: PARSES}


async def test_blocks_for_which_no_time_is_left_are_logged(
    pool: CheckPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with counts, and without the code."""
    for pid in list_pids(pool):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(pool_module, "MAX_REPLY_SECONDS", 0.01)
    others = [CodeBlock(f"x = {number}", find_language("python")) for number in range(2, 5)]

    with capture_logs() as logged:
        assert await pool.check_blocks([GOOD, GOOD, *others]) == {}

    counts = {"blocks": 4, "checked": 0, "left": 3}
    assert logged == [{"event": "no time for all code", "log_level": "warning", **counts}]


async def test_child_that_starts_slowly_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, the first blocks are not checked, and later ones are."""
    async with CheckPool() as pool:
        pids = list_pids(pool)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 0.01)
        assert await pool.check_blocks([GOOD]) == {}

        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 60.0)
        monkeypatch.setattr(pool_module, "MAX_REPLY_SECONDS", 120.0)
        assert await pool.check_blocks([GOOD]) == {GOOD: PARSES}
        assert list_pids(pool) == pids


@pytest.mark.parametrize(
    ("tag", "text"),
    [("cpp", "a<" * 30_000), ("csharp", "a<b<" * 10_000), ("yaml", "[" * 60_000)],
)
async def test_grammar_bomb_is_not_checked(
    pool: CheckPool, tag: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that takes a parser's memory or time costs its own verdict."""
    monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 0.5)
    bomb = CodeBlock(text, find_language(tag))
    found = (await pool.check_blocks([bomb])).get(bomb)
    assert found is None or found.verdict.kind is VerdictKind.UNCHECKED

    monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 60.0)
    assert await pool.check_blocks([GOOD]) == {GOOD: PARSES}


async def test_time_of_a_reply_is_bounded(pool: CheckPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """While other replies hold all children, code stays unchecked."""
    held = [await pool._idle.get() for _ in range(NUM_CHILDREN)]
    monkeypatch.setattr(pool_module, "MAX_REPLY_SECONDS", 0.01)
    assert await pool.check_blocks([GOOD]) == {}
    for child in held:
        pool._idle.put_nowait(child)

    monkeypatch.setattr(pool_module, "MAX_REPLY_SECONDS", 60.0)
    long = CodeBlock("#" * (MAX_BLOCK_CHARACTERS + 1), find_language("python"))
    assert await pool.check_blocks([long, GOOD]) == {GOOD: PARSES}


async def test_each_language_is_parsed_without_sockets(pool: CheckPool) -> None:
    """A grammar is loaded from its wheel, in a process that can open no connection."""
    samples = tomllib.loads(Path(__file__).with_name("samples.toml").read_text("utf-8"))
    blocks = [CodeBlock(found["good"][0], find_language(name)) for name, found in samples.items()]

    verdicts = await pool.check_blocks(blocks)

    assert {block.language.name: verdicts[block].verdict.kind for block in blocks} == dict.fromkeys(
        samples, VerdictKind.PARSES
    )
    statuses = [Path(f"/proc/{pid}/status") for pid in list_pids(pool)]
    assert all("\nSeccomp:\t2\n" in status.read_text("ascii") for status in statuses)


async def test_answer_with_long_names_arrives(pool: CheckPool) -> None:
    """Signs beyond ASCII take twelve characters each."""
    block = CodeBlock(
        "\n".join(f"import {letter * 79}" for letter in "𐌰𐌱𐌲𐌳"), find_language("python")
    )

    findings = await pool.check_blocks([block])
    assert len(findings[block].names) == 4


async def test_children_end_with_the_pool() -> None:
    """Without children there is no verdict, and no wait for one."""
    async with CheckPool() as pool:
        pids = list_pids(pool)
        assert {*pids} <= {*list_children(os.getpid())}

    assert not await asyncio.to_thread(find_survivors, set(pids))
    assert await pool.check_blocks([GOOD]) == {}


async def test_children_end_with_a_killed_worker() -> None:
    """Not even a child that is busy stays behind: the kernel kills it."""
    script = (
        "import asyncio, os\n"
        "from worker.checks.pool import CheckPool\n"
        "async def main():\n"
        "    async with CheckPool() as pool:\n"
        "        print(*(c._process.pid for c in pool._children if c._process), flush=True)\n"
        '        await pool._children[-1].ask(b\'{"code": "python", "text": "x"}\\n\')\n'
        "        print('ready', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    pids = {*map(int, (await worker.stdout.readline()).split())}
    assert len(pids) == 1
    await worker.stdout.readline()
    worker.kill()
    await worker.wait()

    assert not await asyncio.to_thread(find_survivors, pids)


async def test_reply_whose_checks_hang_is_shown_as_unchecked(
    pool: CheckPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The footer and the verdict say so; all checks together may take less than a second."""
    assert MAX_BLOCK_SECONDS < MAX_REPLY_SECONDS < 1.0
    assert TIMEOUT_SECONDS < 1.0
    for pid in list_pids(pool):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(pool_module, "MAX_BLOCK_SECONDS", 0.01)
    layout = ReplyLayout()
    layout.check_blocks = pool.check_blocks
    facts = ReplyFacts("m", "stop", 256)
    composed, _ = await layout.compose_final("```python\nx = 1\n```", facts, LayoutKind.MARKDOWN)

    verdict, footer = context_texts(composed.parts[0])
    assert verdict == "python: not checked"
    assert footer.endswith("Its code was neither parsed nor run.")
