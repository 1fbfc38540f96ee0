"""
Sandbox: a container without network, secrets and rights, for each piece of code that a model wrote.

Podman or docker run it. Code runs nowhere else: not in this process, nor in any of the product's.
"""

import asyncio
import contextlib
import json
import secrets
import shlex
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contract.reply_details import shorten_line
from finetune.console import tell_operator
from finetune.errors import FinetuneError
from finetune.functional.problems import Call, Problem
from finetune.functional.verdicts import MAX_OUTPUT_BYTES, ContainerRun, Verdict, judge_run

ENGINES: Final = ("podman", "docker")
DRIVER: Final = Path(__file__).with_name("container_driver.py")
MAX_CODE_CHARACTERS: Final = 32_000
CONFINEMENT: Final = (
    *("--network=none", "--read-only", "--pull=never", "--memory=256m", "--pids-limit=32"),
    *("--cap-drop=all", "--security-opt=no-new-privileges", "--user=65534:65534"),
    *("--ulimit=nofile=64:64", "--ulimit=nproc=64:64", "--ulimit=cpu=60:60", "--log-driver=none"),
)
TRIAL: Final = Problem(
    function="double",
    signature="x",
    task="",
    calls=tuple(Call(arguments=(number,), result=2 * number) for number in range(3)),
)
START_SECONDS: Final = 60.0
"""Seconds for a command of the container engine that runs no code."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A container engine, as the words of a command, and an image with `python3`."""

    engine: tuple[str, ...]
    image: str
    timeout_seconds: float

    async def check_engine(self) -> None:
        """Run a function that is right. Raises `FinetuneError` if no container does."""
        error = await self._run_engine("image", "inspect", self.image)
        if error is not None:
            name = self.engine[0]
            raise FinetuneError(f"{name} has no image {self.image}, or does not run: {error}")
        verdict = await self.judge_code(TRIAL, "def double(x):\n    return 2 * x\n")
        if verdict is not Verdict.PASSED:
            error = await self._run_engine("run", "--rm", *CONFINEMENT, self.image, "python3", "-V")
            raise FinetuneError(f"{self.engine[0]} runs no Python in {self.image}: {error}")

    async def judge_code(self, problem: Problem, code: str) -> Verdict:
        """Run code in a container that is removed after it, and judge the results."""
        if len(code) > MAX_CODE_CHARACTERS:
            return Verdict.FAILED
        request = {
            "code": code,
            "function": problem.function,
            "calls": [call.arguments for call in problem.calls],
        }
        return judge_run(problem, await self._run_container(json.dumps(request).encode()))

    async def _run_container(self, request: bytes) -> ContainerRun:
        name = f"starchat-functional-{secrets.token_hex(8)}"
        command = ("run", "--rm", "--interactive", f"--name={name}", *CONFINEMENT, self.image)
        with tempfile.TemporaryFile() as file:
            file.write(request)
            file.seek(0)
            process = await asyncio.create_subprocess_exec(
                *(*self.engine, *command, "python3", "-I", "-c", DRIVER.read_text("utf-8")),
                stdin=file,
                stdout=PIPE,
                # The code may have written it.
                stderr=DEVNULL,
            )
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    return ContainerRun(await _read_output(process))
            except TimeoutError:
                return ContainerRun(b"", is_timed_out=True)
            finally:
                if process.returncode is None:
                    await self._remove_container(process, name)

    async def _remove_container(self, process: Process, name: str) -> None:
        """End the engine's client, and then the container, which may outlive it."""
        await _end_process(process)
        # First a kill: podman's `rm` gives a container ten seconds to end.
        for command in (("kill", name), ("rm", "--force", name)):
            await self._run_engine(*command)
        if await self._run_engine("container", "inspect", name) is None:
            tell_operator(f"remove the container {name}, which {self.engine[0]} has not ended")

    async def _run_engine(self, *arguments: str) -> str | None:
        """Run a command; return the last line of its error, `None` if there is none."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self.engine, *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE
            )
        except OSError as error:
            raise FinetuneError(f"{self.engine[0]} cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(START_SECONDS):
                _, told = await process.communicate()
        except TimeoutError:
            await _end_process(process)
            return "no answer"
        lines = [shorten_line(line) for line in told.decode(errors="replace").splitlines()]
        reasons = [line for line in lines if line] or ["no reason given"]
        return None if process.returncode == 0 else reasons[-1]


def find_engine(words: str) -> tuple[str, ...]:
    """Return the command of a container engine. Raises `FinetuneError` if there is none."""
    if words:
        return tuple(shlex.split(words))
    found = next((engine for engine in ENGINES if shutil.which(engine)), None)
    if found is None:
        raise FinetuneError(
            "code is run in containers alone, and this machine has neither podman nor docker"
        )
    return (found,)


async def judge_codes(
    sandbox: Sandbox, problems: Sequence[Problem], codes: Sequence[str]
) -> list[Verdict]:
    """Judge one code for each problem, one after another."""
    return [
        await sandbox.judge_code(problem, code) if code else Verdict.NO_CODE
        for problem, code in zip(problems, codes, strict=True)
    ]


async def _read_output(process: Process) -> bytes:
    """Return the output until its end, or a little more than an answer may have."""
    output = b""
    if process.stdout is None:
        return output
    while len(output) <= MAX_OUTPUT_BYTES and (part := await process.stdout.read(MAX_OUTPUT_BYTES)):
        output += part
    if len(output) <= MAX_OUTPUT_BYTES:
        await process.wait()
    return output


async def _end_process(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.communicate()
