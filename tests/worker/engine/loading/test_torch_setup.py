"""Child process: environment, CPU threads and exit codes."""

import io
import json
import os
from pathlib import Path

import pytest

from worker.engine import DeviceLostError, LoadError
from worker.engine.__main__ import MessagePipe, run_until_closed
from worker.engine.child_process import EXIT_DEVICE_LOST, EXIT_LOAD_FAILED, build_environment
from worker.engine.loading.torch_setup import count_usable_cores


def test_child_environment_has_no_secret() -> None:
    """No Slack, Redis or StarChat variable; the libraries' variables are passed on."""
    given = {
        "SLACK_BOT_TOKEN": "xoxb-secret",
        "REDIS_URL": "redis://:secret@host",
        "STARCHAT_SYSTEM_PROMPT": "secret",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "PATH": "/bin",
        "HF_HOME": "/models",
        "CUDA_VISIBLE_DEVICES": "1",
        "TRITON_CACHE_DIR": "/cache",
        "PYTHONPATH": "/own",
    }

    kept = build_environment(given)

    assert not [name for name, value in kept.items() if "secret" in value]
    assert (kept["PATH"], kept["HF_HOME"], kept["CUDA_VISIBLE_DEVICES"]) == ("/bin", "/models", "1")
    assert kept["TRITON_CACHE_DIR"] == "/cache"
    assert kept["PYTHONPATH"].split(os.pathsep)[1:] == ["/own"]


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("OMP_WAIT_POLICY", "PASSIVE", "ACTIVE"),
        ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", "glibc.malloc.hugetlb=0"),
    ],
)
def test_operator_overrides_the_default_variables(name: str, value: str, other: str) -> None:
    """By default waiting threads sleep, and weights lie in huge pages."""
    assert build_environment({})[name] == value
    assert build_environment({name: other})[name] == other


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 1), ("50000 100000", 1)])
def test_container_quota_bounds_the_threads(tmp_path: Path, quota: str, cores: int) -> None:
    """One core stays free if there is more than one."""
    (tmp_path / "cpu.max").write_text(quota, "ascii")

    assert count_usable_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("text", ["max 100000", None])
def test_no_quota_uses_all_cores_but_one(tmp_path: Path, text: str | None) -> None:
    """Outside a container, or in one without a limit."""
    if text is not None:
        (tmp_path / "cpu.max").write_text(text, "ascii")

    assert count_usable_cores(tmp_path / "cpu.max") == max(1, len(os.sched_getaffinity(0)) - 1)


def _raise_error(error: Exception) -> None:
    raise error


def test_device_error_exits_with_70() -> None:
    """The parent receives no message."""
    sink = io.BytesIO()

    code = run_until_closed(
        MessagePipe(-1, sink), lambda: _raise_error(DeviceLostError("AcceleratorError"))
    )

    assert (code, sink.getvalue()) == (EXIT_DEVICE_LOST, b"")
    assert EXIT_DEVICE_LOST == 70


def test_load_error_is_sent_to_the_parent() -> None:
    """One line, and a separate exit code."""
    sink = io.BytesIO()

    code = run_until_closed(MessagePipe(-1, sink), lambda: _raise_error(LoadError("no weights")))

    assert (code, json.loads(sink.getvalue())) == (EXIT_LOAD_FAILED, {"load_error": "no weights"})
