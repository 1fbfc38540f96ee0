"""Logs: one JSON line per event in both processes, without user text."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from contract import logs
from testing.environment import REPOSITORY, clean_environment

SETUP_CODE = (
    "import logging, structlog; from contract import logs; logs.configure_logging('bot'{level}); "
)
GET_LOGGER_CODE = "log = structlog.get_logger(); "
SECRET = "the text of a user"


def run_logging(code: str, level: str = "") -> list[dict[str, Any]]:
    """Run a process that logs, and return its lines."""
    completed = subprocess.run(
        [sys.executable, "-c", SETUP_CODE.format(level=level) + code],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert completed.stdout == ""
    return [json.loads(line) for line in completed.stderr.splitlines()]


def test_event_is_one_json_line() -> None:
    """An event carries its name, its fields, the process, the level and the time."""
    (line,) = run_logging(GET_LOGGER_CODE + "log.info('job taken', job='T1-C1-1-5', seconds=0.25)")

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "process": "bot",
        "event": "job taken",
        "level": "info",
        "job": "T1-C1-1-5",
        "seconds": 0.25,
    }


def test_events_below_the_level_are_dropped() -> None:
    """The level is a setting."""
    code = GET_LOGGER_CODE + "log.debug('a'); log.info('b'); log.warning('c')"

    assert [line["event"] for line in run_logging(code)] == ["b", "c"]
    assert [line["event"] for line in run_logging(code, ", 'WARNING'")] == ["c"]
    assert [line["event"] for line in run_logging(code, ", 'DEBUG'")] == ["a", "b", "c"]


def test_lines_of_other_threads_name_the_process() -> None:
    """Context variables of one thread do not appear in another's lines."""
    code = (
        "import threading; structlog.contextvars.bind_contextvars(job='1'); "
        "t = threading.Thread(target=lambda: structlog.get_logger().info('b')); "
        "structlog.get_logger().info('a'); t.start(); t.join()"
    )
    first, second = run_logging(code)

    assert (first["job"], first["process"], second["process"]) == ("1", "bot", "bot")
    assert "job" not in second


@pytest.mark.parametrize(
    "library",
    ["slack_bolt.App", "slack_sdk.web", "rq.worker", "aiohttp.access", "redis", "anything"],
)
def test_libraries_log_from_warning_on(library: str) -> None:
    """Below WARNING slack-sdk logs messages and RQ logs arguments."""
    code = (
        f"log = logging.getLogger('{library}'); log.debug('{SECRET}'); log.info('{SECRET}'); "
        "log.warning('slow: %s', 7)"
    )
    (line,) = run_logging(code, ", 'DEBUG'")

    assert (line["event"], line["level"], line["process"]) == ("slow: 7", "warning", "bot")


def test_level_that_a_library_set_is_overridden() -> None:
    """RQ's worker sets itself to INFO when it is imported."""
    code = (
        "logging.getLogger('rq.worker').setLevel(logging.DEBUG); logs.configure_logging('worker'); "
        f"logging.getLogger('rq.worker').info('{SECRET}')"
    )

    assert run_logging(code) == []


@pytest.mark.parametrize("logger", ["structlog.get_logger()", "logging.getLogger('asyncio')"])
def test_exception_is_logged_without_its_message(logger: str) -> None:
    """The message and the local variables may hold user text."""
    code = (
        f"\nlog = {logger}\ndef reply(text):\n    raise ValueError(text)\n"
        f"try:\n    reply('{SECRET}')\nexcept ValueError:\n    log.exception('reply failed')\n"
    )
    (line,) = run_logging(code)

    assert line["event"] == "reply failed"
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["at"][-1].endswith(" reply")
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize("sink", ["full", "closed"])
def test_unwritable_log_raises_nothing(sink: str) -> None:
    """On a full disk or a closed pipe lines are lost, but no error is raised."""
    code = (
        SETUP_CODE.format(level="")
        + GET_LOGGER_CODE
        + "log.info('a'); logging.error('b'); print('done')"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "testing.broken_environment", "log", sink, "-c", code],
        cwd=REPOSITORY,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout == "done\n"


def test_loop_error_is_logged_without_its_message() -> None:
    """The handler of asyncio itself would print the message."""
    code = (
        "import asyncio; loop = asyncio.new_event_loop(); "
        "loop.set_exception_handler(logs.log_loop_error); "
        f"loop.call_exception_handler({{'message': {SECRET!r}, 'exception': OSError({SECRET!r})}})"
    )
    (line,) = run_logging(code)
    assert line["event"] == "event loop error"
    assert SECRET not in str(line)


@pytest.fixture
def logging_in_process() -> Iterator[None]:
    """Configure the logs of this process, and restore what pytest has configured."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in logs.WARNING_ONLY_LOGGERS}
    for handler in handlers:
        root.removeHandler(handler)
    logs.configure_logging("bot")
    yield
    structlog.configure(**configuration)
    root.handlers[:], root.level = handlers, level
    for name, former in levels.items():
        logging.getLogger(name).setLevel(former)


@pytest.mark.usefixtures("logging_in_process")
def test_lines_of_all_loggers_have_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Our events, a library's warning, an exception and an error of the event loop."""
    structlog.get_logger().info("job taken", job="1")
    logging.getLogger("redis").warning("slow: %s", 7)
    error = ValueError(SECRET)
    try:
        raise error
    except ValueError:
        structlog.get_logger().exception("reply failed")
    logs.log_loop_error(None, {"exception": error})
    logging.getLogger().handlers[0].flush()
    text = capsys.readouterr().err
    lines = [json.loads(line) for line in text.splitlines()]

    assert [(line["process"], line["event"]) for line in lines] == [
        ("bot", name) for name in ("job taken", "slow: 7", "reply failed", "event loop error")
    ]
    assert lines[2]["exception"]["type"] == lines[3]["exception"]["type"] == "ValueError"
    assert SECRET not in text
