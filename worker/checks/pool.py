"""
Check pool: a few child processes that parse code, one block each at a time.

A child that hangs, dies or answers with anything but findings is killed, and its block counts as
not checked. Another child takes its place with the next block.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Self

import structlog

from worker.render.model import BlockFindings, CodeBlock

log = structlog.get_logger()

NUM_CHILDREN: Final = 2
"""Replies whose code is checked at the same time."""
MAX_REPLY_SECONDS: Final = 0.9
"""Maximum seconds for all code of a reply; the rest stays unchecked."""
MAX_BLOCK_SECONDS: Final = 0.4
"""Maximum seconds for one block, with the start of a child where one is needed."""
MAX_START_SECONDS: Final = 30.0
"""Seconds after which a child that is not ready is killed; a busy machine starts it slowly."""
MAX_BLOCK_CHARACTERS: Final = 64_000
"""A longer block is not checked."""
READY_LINE: Final = b"ready\n"
MAX_ANSWER_BYTES: Final = 16 * 1024
"""Maximum size of a child's answer: eight names of 80 characters, each written as 12."""
PROJECT_ROOT: Final = Path(__file__).parents[2]


class CheckPool:
    """The children, in an `async with`; outside of it no code is checked."""

    def __init__(self) -> None:
        """Create a pool without children."""
        self._idle: asyncio.LifoQueue[_Child] = asyncio.LifoQueue()
        """The child that answered last comes first, so a child more than needed never starts."""
        self._children: list[_Child] = []

    async def __aenter__(self) -> Self:
        """Start one child; the others start with a block, if the first one is busy."""
        self._children = [_Child() for _ in range(NUM_CHILDREN)]
        for child in self._children:
            self._idle.put_nowait(child)
        with contextlib.suppress(OSError):
            await self._children[-1].start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill the children."""
        children, self._children = self._children, []
        for child in children:
            child.kill()
        for child in children:
            await child.wait()

    async def check_blocks(self, blocks: Iterable[CodeBlock]) -> dict[CodeBlock, BlockFindings]:
        """Return the findings on those blocks that could be checked in time."""
        findings: dict[CodeBlock, BlockFindings] = {}
        unique, num_tried = list(dict.fromkeys(blocks if self._children else ())), 0
        try:
            async with asyncio.timeout(MAX_REPLY_SECONDS):
                for num_tried, block in enumerate(unique, 1):  # noqa: B007 - it is logged
                    await self._add_findings(block, findings)
        except TimeoutError:
            checked, untried = len(findings), len(unique) - num_tried
            log.warning("no time for all code", blocks=len(unique), checked=checked, left=untried)
        return findings

    async def _add_findings(
        self, block: CodeBlock, findings: dict[CodeBlock, BlockFindings]
    ) -> None:
        if len(block.text) > MAX_BLOCK_CHARACTERS:
            return
        request = {"code": block.language.name, "text": block.text}
        child = await self._idle.get()
        try:
            found = await child.ask(json.dumps(request).encode() + b"\n")
        finally:
            self._idle.put_nowait(child)
        if found is not None:
            findings[block] = found


class _Child:
    """One place in the pool, with a process in it while that answers."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._killed: list[Process] = []
        self._start_deadline = 0.0
        """Time until which the process may start; 0 once it is ready or has failed."""

    async def start(self) -> Process:
        """Start the process. Raises `OSError`."""
        paths = [str(PROJECT_ROOT), *(path for path in sys.path if path)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Without `site`: no module of the environment runs in the child.
            *("-S", "-P", "-m", "worker.checks"),
            stdin=PIPE,
            stdout=PIPE,
            # A traceback would quote the code.
            stderr=DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(paths)},
            limit=MAX_ANSWER_BYTES,
            start_new_session=True,
        )
        self._start_deadline = time.monotonic() + MAX_START_SECONDS
        return self._process

    async def ask(self, request: bytes) -> BlockFindings | None:
        """Return the child's findings; `None` if there is none in time."""
        found = None
        try:
            async with asyncio.timeout(MAX_BLOCK_SECONDS):
                line = await self._exchange_lines(request)
            found = BlockFindings.model_validate_json(line)
        except (OSError, TimeoutError, ValueError) as error:
            log.warning("code not checked", error=type(error).__name__)
        finally:
            # While it starts, the block has no answer, but a later one may.
            if found is None and time.monotonic() >= self._start_deadline:
                self.kill()
        return found

    def kill(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        self._killed = [one for one in self._killed if one.returncode is None] + [process]

    async def wait(self) -> None:
        """Wait until the killed processes have ended, and their pipes are closed."""
        for process in self._killed:
            if process.stdin is not None:
                process.stdin.close()
            await process.communicate()

    async def _exchange_lines(self, request: bytes) -> bytes:
        process = self._process or await self.start()
        if process.stdin is None or process.stdout is None:
            raise OSError("a child without pipes")
        if self._start_deadline:
            ready = await process.stdout.readline()
            self._start_deadline = 0.0
            if ready != READY_LINE:
                raise ConnectionError("a child that does not start")
        process.stdin.write(request)
        await process.stdin.drain()
        return await process.stdout.readline()
