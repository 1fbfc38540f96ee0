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
from worker.engine.exits import EXIT_DEVICE_LOST, EXIT_LOAD_FAILED, DeviceLostError
from worker.engine.loading.checkpoint import resolve_checkpoint
from worker.engine.options import EngineConfig

EXIT_GRACE_SECONDS: Final = 2.0
"""Seconds a step may still take after stdin has closed."""


class MessagePipe:
    """The child's end of the two pipes. A thread reads, so that a long step hides no stop."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read_config(self) -> EngineConfig:
        """Read the first line, then let the thread read all others."""
        config = EngineConfig.from_json(self._source.readline().decode())
        threading.Thread(target=self._read_lines, daemon=True).start()
        return config

    def send_message(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self._sink.write(protocol.encode_message(message))
        self._sink.flush()

    def receive_messages(self, *, wait: bool) -> list[dict[str, Any]] | None:
        """Return what has arrived, at least one message if told to wait; `None` at the end."""
        messages: list[dict[str, Any]] = []
        while wait or not self._messages.empty():
            message = self._messages.get()
            if message is None:
                return None
            messages.append(message)
            wait = False
        return messages

    def _read_lines(self) -> None:
        for line in self._source:
            self._messages.put(protocol.decode_message(line))
        self._messages.put(None)
        threading.Timer(EXIT_GRACE_SECONDS, os._exit, [0]).start()


@dataclass(slots=True)
class EngineServer:
    """Serves one loaded model until stdin closes."""

    pipe: MessagePipe
    engine_core: Any

    def serve_requests(self) -> None:
        """Step while there is work, wait where there is none."""
        while (
            messages := self.pipe.receive_messages(
                wait=not self.engine_core.has_unfinished_requests
            )
        ) is not None:
            for message in messages:
                self._dispatch_message(message)
            if self.engine_core.has_unfinished_requests:
                self._run_step()

    def _dispatch_message(self, message: dict[str, Any]) -> None:
        if "start" in message:
            request = protocol.load_request(message["start"])
            reason = self.engine_core.add_request(request)
            if reason is not None:
                self.pipe.send_message({"refused": request.id, "why": reason})
        elif "stop" in message:
            finished = self.engine_core.abort_request(message["stop"])
            if finished is not None:
                self._send_report({"ended": {message["stop"]: _encode_finish(finished)}})
        elif "forget" in message:
            self.engine_core.clear_scope(message["forget"])

    def _run_step(self) -> None:
        output = self.engine_core.run_step()
        report: dict[str, Any] = {"tokens": output.tokens, "failed": output.failed}
        report["ended"] = {name: _encode_finish(ended) for name, ended in output.finished.items()}
        if output.error:
            write_log("step_failed", error=output.error, step=self.engine_core.steps)
        self._send_report({key: value for key, value in report.items() if value})

    def _send_report(self, report: dict[str, Any]) -> None:
        scheduler = self.engine_core.scheduler
        counts = {"running": len(scheduler.running), "waiting": len(scheduler.waiting)}
        self.pipe.send_message({"step": self.engine_core.steps, **counts, **report})


def write_log(event: str, **fields: Any) -> None:
    """Write one line to stderr: ids and counts only."""
    line = protocol.encode_message({"event": event, "process": "engine", **fields})
    # A log that takes no more is no reason to end.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


def _encode_finish(finished: Any) -> list[Any]:
    return [finished.reason, finished.prompt_tokens, finished.new_tokens]


def _open_pipe() -> MessagePipe:
    """Keep stdout for ourselves: what libraries print to it goes to stderr."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return MessagePipe(sys.stdin.buffer, sink)


def _load_and_serve(pipe: MessagePipe, config: EngineConfig) -> None:
    def send_progress(stage: str, done: float) -> None:
        pipe.send_message({"loading": stage, "fraction": done})

    send_progress("starting", 0.0)
    checkpoint = resolve_checkpoint(config, send_progress)
    # Here, because importing torch takes seconds: a wrong path is told before.
    from worker.engine.loading.loader import load_model  # noqa: PLC0415
    from worker.engine.loading.torch_setup import configure_torch  # noqa: PLC0415
    from worker.engine.loading.warmup import warm_up  # noqa: PLC0415

    configure_torch(config)
    loaded = load_model(checkpoint, config, send_progress)
    engine_core = warm_up(
        loaded, config, send_progress, lambda line: write_log("acceleration", line=line)
    )
    pipe.send_message({"ready": protocol.dump_model_info(loaded.info)})
    write_log(
        "ready",
        slots=loaded.info.slots,
        positions=loaded.info.max_positions,
        host_cache_bytes=loaded.host_cache_bytes,
    )
    EngineServer(pipe, engine_core).serve_requests()


def run_until_closed(pipe: MessagePipe, serve: Callable[[], None]) -> int:
    """Serve until stdin closes or something ends the child; return its exit code."""
    try:
        serve()
    except LoadError as error:
        pipe.send_message({"unloadable": str(error)})
        return EXIT_LOAD_FAILED
    except DeviceLostError as error:
        write_log("device_lost", error=str(error))
        return EXIT_DEVICE_LOST
    return 0


def main() -> int:
    """Run the child; return its exit code."""
    pipe = _open_pipe()
    config = pipe.read_config()
    return run_until_closed(pipe, lambda: _load_and_serve(pipe, config))


if __name__ == "__main__":
    sys.exit(main())
