"""
Structured logs: one JSON line per event on stderr, the same in both processes.

Logs never contain the text of a message. Libraries use the standard library's logging; they are
limited to WARNING, because slack-sdk logs messages and RQ logs arguments at lower levels.
"""

import contextlib
import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog

WARNING_ONLY_LOGGERS = (
    "slack_bolt",
    "slack_sdk",
    "rq",
    "rq.worker",
    "aiohttp",
    "asyncio",
    "urllib3",
    "redis",
)


class StderrSink:
    """Stderr as the destination of logs. A line that cannot be written is lost without an error."""

    def write(self, text: str) -> None:
        """Write a line; ignore a full disk or a closed pipe."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush the stream; ignore a full disk or a closed pipe."""
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure_logging(process: str, level: str = "INFO") -> None:
    """Send our events (from `level` on) and the warnings of libraries to stderr."""

    def add_process_name(
        _: object, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        # Not a context variable: each thread would start without it.
        return {"process": process, **event}

    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_process_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    sink: Any = StderrSink()
    structlog.configure(
        processors=[
            *shared_processors,
            structlog.processors.ExceptionRenderer(describe_exception),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sink),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(describe_exception),
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=shared_processors,
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in WARNING_ONLY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_loop_error(_: object, context: dict[str, Any]) -> None:
    """Log an error that no task has caught, without the message that asyncio would print."""
    structlog.get_logger().error("event loop error", exc_info=context.get("exception"))


def describe_exception(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> dict[str, object]:
    """Return the exception's type and frames. Its message and locals may hold user text."""
    exception_type, _, trace_back = exc_info
    frames = traceback.extract_tb(trace_back)
    return {
        "type": exception_type.__name__,
        "at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames],
    }
