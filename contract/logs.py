"""
One JSON line an event on stderr, the same in both processes; never the text of a message.

Libraries log through the standard library: they are held at WARNING, because slack-sdk prints
messages and RQ prints arguments at lower levels.
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
    """Stderr as a place for logs: where it takes no more, a line is lost and nothing else."""

    def write(self, text: str) -> None:
        """Write, or do not: the disk may be full, or whoever has read it may be gone."""
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """See `write`."""
        with contextlib.suppress(OSError):
            sys.stderr.flush()


def configure_logging(process: str, level: str = "INFO") -> None:
    """Send our events (from `level` on) and the warnings of libraries to stderr."""

    def add_process_name(
        _: object, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        # Not a context variable: those begin anew in each thread.
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


def describe_exception(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> dict[str, object]:
    """Return what was raised and where, without its message and locals: they may hold text."""
    exception_type, _, trace_back = exc_info
    frames = traceback.extract_tb(trace_back)
    return {
        "type": exception_type.__name__,
        "at": [f"{f.filename}:{f.lineno} {f.name}" for f in frames],
    }
