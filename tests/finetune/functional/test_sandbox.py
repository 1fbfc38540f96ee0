"""The sandbox with a stand-in engine: the driver, the confinement, and code that misbehaves."""

import sys
from pathlib import Path

import pytest

from finetune.errors import FinetuneError
from finetune.functional.problems import read_problems
from finetune.functional.sandbox import (
    CONFINEMENT,
    MAX_CODE_CHARACTERS,
    TRIAL,
    Sandbox,
    find_engine,
    judge_codes,
)
from finetune.functional.verdicts import Verdict

FOLDER = Path(__file__).parent
SOLUTIONS = (FOLDER / "solutions.py").read_text("utf-8")
FLOOD = """import os
try:
    for number in range(3, 9): os.write(number, b"[" * 200_000)
except OSError: pass
"""


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """The file with the arguments of the engine's calls."""
    return tmp_path / "calls.txt"


def read_calls(calls: Path) -> list[str]:
    """Return the arguments of the engine's calls, each in one line, but for the driver's code."""
    lines = calls.read_text("utf-8").splitlines()
    return [line for line in lines if line.startswith(("run ", "kill ", "rm ", "container "))]


def open_sandbox(calls: Path, image: str = "python", seconds: float = 60.0) -> Sandbox:
    """Return a sandbox whose engine starts no containers."""
    engine = ("sh", str(FOLDER / "stand_in_engine.sh"), str(calls), sys.executable)
    return Sandbox(engine, image, seconds)


async def test_right_solutions_pass(calls: Path) -> None:
    """Each in a container of its problem, with all confinement, and without expected results."""
    problems = read_problems()
    sandbox = open_sandbox(calls)
    await sandbox.check_engine()
    verdicts = await judge_codes(sandbox, problems, [SOLUTIONS] * len(problems))

    assert set(verdicts) == {Verdict.PASSED}
    _, *runs = [line for line in read_calls(calls) if line.startswith("run ")]
    names = {word for line in runs for word in line.split() if word.startswith("--name=")}
    assert len(runs) == len(names) == len(problems)
    assert all(option in line.split() for line in runs for option in CONFINEMENT)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("def double(x): return x", Verdict.WRONG),
        ("def double(x): print([[0], [2], [4]]); return x", Verdict.WRONG),
        ("def double(x): return {x}", Verdict.FAILED),
        ("def double(x): return float('nan')", Verdict.FAILED),
        ("def double(x): raise SystemExit", Verdict.FAILED),
        ("def double(x:", Verdict.FAILED),
        ("import os; os._exit(0)", Verdict.FAILED),
        (FLOOD, Verdict.FAILED),
        ("#" * (MAX_CODE_CHARACTERS + 1), Verdict.FAILED),
        ("", Verdict.NO_CODE),
    ],
)
async def test_other_code_does_not_pass(calls: Path, code: str, verdict: Verdict) -> None:
    """Wrong, broken, silent and loud code."""
    assert await judge_codes(open_sandbox(calls), [TRIAL], [code]) == [verdict]


async def test_container_that_does_not_end_is_removed(
    calls: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """First it is killed, then it is removed; a rest would be told."""
    verdict = await open_sandbox(calls, seconds=0.3).judge_code(TRIAL, "while True: pass")

    assert verdict is Verdict.TIMED_OUT
    # A busy machine may end the time before the container's command has noted its start.
    later = [line for line in read_calls(calls) if not line.startswith("run ")]
    name = later[0].split()[1]
    assert later == [f"kill {name}", f"rm --force {name}", f"container inspect {name}"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("missing", r"^sh has no image missing, or does not run: Error: missing: image not known"),
        ("broken", r"^sh runs no Python in broken: Error: no cgroup for the container$"),
    ],
)
async def test_engine_that_runs_nothing_is_refused(calls: Path, image: str, reason: str) -> None:
    """Before a model is loaded, with the engine's own reason as one printable line."""
    with pytest.raises(FinetuneError, match=reason) as refused:
        await open_sandbox(calls, image).check_engine()

    assert str(refused.value).isprintable()


async def test_machine_without_containers_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Code runs nowhere else."""
    assert find_engine("podman --runtime 'my runc'") == ("podman", "--runtime", "my runc")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FinetuneError, match="this machine has neither podman nor docker"):
        find_engine("")
    with pytest.raises(FinetuneError, match="nowhere cannot be run: No such file or directory"):
        await Sandbox(("nowhere",), "python", 1.0).check_engine()
    (tmp_path / "docker").touch(mode=0o755)
    assert find_engine("") == ("docker",)
