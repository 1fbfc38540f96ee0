"""The `unit` marker: which tests get it, and what a run of unit tests forbids."""

import subprocess
import sys
from pathlib import Path

from testing.environment import REPOSITORY, clean_environment
from testing.unit_tests import holds_unit_tests_only, imports_resources
from tests import conftest

CHEATS = """
import importlib

def test_starts_a_process():
    importlib.import_module("subprocess").run(["true"])

def test_opens_a_connection():
    importlib.import_module("socket").create_connection(("127.0.0.1", 9))

def test_computes():
    assert 1 + 1 == 2
"""
UNRELATED = "import subprocess\nraise AssertionError('a file without unit tests was imported')\n"


def test_unit_run_forbids_processes_and_connections(tmp_path: Path) -> None:
    """A test that hides its imports fails in a unit run; other files are not even imported."""
    (tmp_path / "test_cheats.py").write_text(CHEATS, "utf-8")
    (tmp_path / "test_unrelated.py").write_text(UNRELATED, "utf-8")
    options = ("-c", "/dev/null", "--rootdir", tmp_path, "-p", "testing.unit_tests", "-m", "unit")
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, "-p", "no:cacheprovider", tmp_path],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "2 failed, 1 passed" in completed.stdout, completed.stdout
    for event in ("subprocess.Popen", "socket.connect"):
        assert f"must not cause the audit event {event}" in completed.stdout


def test_files_that_import_resources_are_no_unit_tests(tmp_path: Path) -> None:
    """Imports of whole modules and of names in them count, also inside functions."""
    for number, (source, expected) in enumerate(
        (
            ("import socket", True),
            ("from testing.workspace import ADA", True),
            ("from testing import workspace", True),
            ("def test_it():\n    import torch.nn", True),
            ("from testing.slack_events import ADA", False),
        )
    ):
        file = tmp_path / f"test_{number}.py"
        file.write_text(source, "utf-8")
        assert imports_resources(file) is expected, source
        assert not (expected and holds_unit_tests_only(file)), source


def test_files_of_unit_tests_alone_request_no_resource(tmp_path: Path) -> None:
    """Fixtures of conftest files count too; a file in doubt is collected with the other tests."""
    for number, (source, expected) in enumerate(
        (
            ("def test_it(tmp_path):\n    assert tmp_path", True),
            ("def helper(redis):\n    pass", True),
            ("async def test_it(redis):\n    pass", False),
            ("@fixture\ndef opened(records):\n    pass", False),
            ("@usefixtures('reply')\ndef test_it():\n    pass", False),
            ("from hypothesis import given", False),
        )
    ):
        file = tmp_path / f"test_{number}.py"
        file.write_text(source, "utf-8")
        assert holds_unit_tests_only(file) is expected, source


def test_listed_paths_name_test_files() -> None:
    """A file that is renamed must not lose its place in a group."""
    files = [
        path.relative_to(conftest.TEST_DIRECTORY)
        for path in conftest.TEST_DIRECTORY.rglob("test_*.py")
    ]
    listed = (
        *conftest.LONG_TEST_PATHS,
        *conftest.THOROUGH_TEST_PATHS,
        *conftest.MEASURED_TEST_PATHS,
    )

    assert [one for one in listed if not any(f.as_posix().startswith(one) for f in files)] == []
