"""
The child: reads its options and requests from stdin, writes what became of them to stdout.

It ends when stdin closes, so it never outlives its parent. Whatever a library prints goes to
stderr; our own lines there carry ids and counts, never text.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from worker.engine import LoadError, protocol
from worker.engine.exits import DEVICE_LOST, UNLOADABLE, DeviceLostError
from worker.engine.loading.checkpoint import locate
from worker.engine.options import Options

GRACE: Final = 2.0
"""Seconds a step may still take after stdin has closed."""


class Pipe:
    """The child's end of the two pipes. A thread reads, so that a long step hides no stop."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def options(self) -> Options:
        """Read the first line, then let the thread read all others."""
        options = Options.decode(self._source.readline().decode())
        threading.Thread(target=self._read, daemon=True).start()
        return options

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self._sink.write(protocol.encode(message))
        self._sink.flush()

    def take(self, *, wait: bool) -> list[dict[str, Any]] | None:
        """Return what has arrived, at least one message if told to wait; `None` at the end."""
        messages: list[dict[str, Any]] = []
        while wait or not self._messages.empty():
            message = self._messages.get()
            if message is None:
                return None
            messages.append(message)
            wait = False
        return messages

    def _read(self) -> None:
        for line in self._source:
            self._messages.put(protocol.decode(line))
        self._messages.put(None)
        threading.Timer(GRACE, os._exit, [0]).start()


@dataclass(slots=True)
class Child:
    """Serves one loaded model until stdin closes."""

    pipe: Pipe
    batching: Any

    def run(self) -> None:
        """Step while there is work, wait where there is none."""
        while (messages := self.pipe.take(wait=not self.batching.busy)) is not None:
            for message in messages:
                self._obey(message)
            if self.batching.busy:
                self._step()

    def _obey(self, message: dict[str, Any]) -> None:
        if "start" in message:
            request = protocol.request_from(message["start"])
            why = self.batching.add(request)
            if why is not None:
                self.pipe.send({"refused": request.id, "why": why})
        elif "stop" in message:
            ended = self.batching.stop(message["stop"])
            if ended is not None:
                self._report({"ended": {message["stop"]: _ended(ended)}})
        elif "forget" in message:
            self.batching.forget(message["forget"])

    def _step(self) -> None:
        outcome = self.batching.step()
        report: dict[str, Any] = {"tokens": outcome.tokens, "failed": outcome.failed}
        report["ended"] = {name: _ended(ended) for name, ended in outcome.ended.items()}
        if outcome.trouble:
            log("step_failed", error=outcome.trouble, step=self.batching.steps)
        self._report({key: value for key, value in report.items() if value})

    def _report(self, report: dict[str, Any]) -> None:
        schedule = self.batching.schedule
        counts = {"running": len(schedule.running), "waiting": len(schedule.waiting)}
        self.pipe.send({"step": self.batching.steps, **counts, **report})


def log(event: str, **fields: Any) -> None:
    """Write one line to stderr: ids and counts only."""
    line = protocol.encode({"event": event, "process": "engine", **fields})
    # A log that takes no more is no reason to end.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


def _ended(ended: Any) -> list[Any]:
    return [ended.reason, ended.prompt_tokens, ended.new_tokens]


def _pipe() -> Pipe:
    """Keep stdout for ourselves: what libraries print to it goes to stderr."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return Pipe(sys.stdin.buffer, sink)


def _serve(pipe: Pipe, options: Options) -> None:
    def progress(stage: str, done: float) -> None:
        pipe.send({"loading": stage, "fraction": done})

    progress("starting", 0.0)
    found = locate(options, progress)
    # Here, because importing torch takes seconds: a wrong path is told before.
    from worker.engine.loading.loader import load  # noqa: PLC0415
    from worker.engine.loading.torch_setup import prepare  # noqa: PLC0415
    from worker.engine.loading.warmup import warmed  # noqa: PLC0415

    prepare(options)
    loaded = load(found, options, progress)
    batching = warmed(loaded, options, progress, lambda line: log("acceleration", line=line))
    pipe.send({"ready": protocol.model_to(loaded.about)})
    log("ready", slots=loaded.about.slots, positions=loaded.about.positions, shelf=loaded.shelf)
    Child(pipe, batching).run()


def ended(pipe: Pipe, serve: Callable[[], None]) -> int:
    """Serve until stdin closes or something ends the child; return its exit code."""
    try:
        serve()
    except LoadError as error:
        pipe.send({"unloadable": str(error)})
        return UNLOADABLE
    except DeviceLostError as error:
        log("device_lost", error=str(error))
        return DEVICE_LOST
    return 0


def main() -> int:
    """Run the child; return its exit code."""
    pipe = _pipe()
    options = pipe.options()
    return ended(pipe, lambda: _serve(pipe, options))


if __name__ == "__main__":
    sys.exit(main())
