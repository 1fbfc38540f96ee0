"""
Engine server: the child process that loads a model and serves requests from stdin.

It exits when stdin closes, so it never outlives its parent. Library output goes to stderr. Log
lines carry ids and counts, never text.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from worker.engine import DeviceLostError, LoadError, protocol
from worker.engine.child_process import EXIT_DEVICE_LOST, EXIT_LOAD_FAILED
from worker.engine.loading.adapter import find_adapter
from worker.engine.loading.checkpoint import resolve_checkpoint
from worker.engine.protocol import US_PER_SECOND, EngineConfig, gguf_cache_directory
from worker.engine.sandbox import Sandbox, describe_sandbox, readable_paths, writable_paths

if TYPE_CHECKING:
    from worker.engine.core.engine_core import EngineCore, FinishedRequest
    from worker.engine.loading.loader import LoadedModel

EXIT_GRACE_SECONDS: Final = 2.0
"""Time for the current step after stdin has closed."""

READ_BYTES: Final = 64 * 1024
"""Maximum size of one read from stdin, in bytes."""


class MessagePipe:
    """
    The child's end of both pipes. A thread reads, so a long step delays no abort.

    The thread reads the file descriptor itself. In `sys.stdin.buffer` it would hold a lock that
    the interpreter needs at exit, and Python would abort the process instead.
    """

    def __init__(self, source: int, sink: BinaryIO) -> None:
        """`source` is the file descriptor to read, `sink` the stream to write."""
        self._source = source
        self._is_sandboxed = True
        self._unread = bytearray()
        self._sink = sink
        self._messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read_config(self) -> EngineConfig:
        """Read the first line, then start the thread that reads all others."""
        config = EngineConfig.from_json((self._read_line() or b"").decode())
        self._is_sandboxed = config.sandbox
        threading.Thread(target=self._read_lines, daemon=True).start()
        return config

    def send_message(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self._sink.write(protocol.encode_message(message))
        self._sink.flush()

    def receive_messages(self, *, wait: bool) -> list[dict[str, Any]] | None:
        """Return the messages that have arrived; `wait` for at least one. `None` at the end."""
        messages: list[dict[str, Any]] = []
        while wait or not self._messages.empty():
            message = self._messages.get()
            if message is None:
                return None
            messages.append(message)
            wait = False
        return messages

    def _read_lines(self) -> None:
        if self._is_sandboxed:
            # A thread is restricted by itself alone, and this one needs no path.
            Sandbox().restrict_thread()
        while (line := self._read_line()) is not None:
            self._messages.put(protocol.decode_message(line))
        self._messages.put(None)
        threading.Timer(EXIT_GRACE_SECONDS, os._exit, [0]).start()

    def _read_line(self) -> bytes | None:
        """Return the next line, or `None` at the end; a line that was cut off is dropped."""
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            data = os.read(self._source, READ_BYTES)
            if not data:
                return None
            self._unread += data
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        return line


@dataclass(slots=True)
class EngineServer:
    """Serves one loaded model until stdin closes."""

    pipe: MessagePipe
    engine_core: "EngineCore"

    def serve_requests(self) -> None:
        """Run steps while there are requests; wait for messages otherwise."""
        while True:
            idle = not self.engine_core.has_unfinished_requests
            messages = self.pipe.receive_messages(wait=idle)
            if messages is None:
                return
            for message in messages:
                self._dispatch_message(message)
            if self.engine_core.has_unfinished_requests:
                self._run_step()

    def _dispatch_message(self, message: dict[str, Any]) -> None:
        if "generate" in message:
            request = protocol.load_request(message["generate"])
            reason = self.engine_core.add_request(request)
            if reason is not None:
                self.pipe.send_message({"refused": request.id, "reason": reason})
        elif "abort" in message:
            finished = self.engine_core.cancel_request(message["abort"])
            if finished is not None:
                self._send_report({"finished": {message["abort"]: _encode_finish(finished)}})
        elif "clear_scope" in message:
            self.engine_core.clear_prefixes(message["clear_scope"])

    def _run_step(self) -> None:
        output = self.engine_core.run_step()
        report = {
            "tokens": output.tokens,
            "gpu_us": {
                request_id: round(seconds * US_PER_SECOND)
                for request_id, seconds in output.gpu_seconds.items()
            },
            "failed": output.failed,
            "finished": {
                request_id: _encode_finish(finished)
                for request_id, finished in output.finished.items()
            },
        }
        if output.error:
            write_log("step_failed", error=output.error, step=self.engine_core.steps)
        self._send_report({key: value for key, value in report.items() if value})

    def _send_report(self, report: dict[str, Any]) -> None:
        scheduler = self.engine_core.scheduler
        counts = {
            "running": len(scheduler.running),
            "waiting": len(scheduler.waiting),
            "prefilled": scheduler.num_prefilled_tokens,
        }
        self.pipe.send_message({"step": self.engine_core.steps, **counts, **report})


def write_log(event: str, **fields: Any) -> None:
    """Write one JSON line with ids and counts to stderr."""
    line = protocol.encode_message({"event": event, "process": "engine", **fields})
    # A full or closed log must not end the engine.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(line)
        sys.stderr.flush()


def _encode_finish(finished: "FinishedRequest") -> list[Any]:
    gpu_us = round(finished.gpu_seconds * US_PER_SECOND)
    return [finished.reason, finished.prompt_tokens, finished.new_tokens, gpu_us]


def _open_pipe() -> MessagePipe:
    """Take stdout for messages and redirect what libraries print there to stderr."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return MessagePipe(sys.stdin.fileno(), sink)


def _load_and_serve(pipe: MessagePipe, config: EngineConfig) -> None:
    def send_progress(stage: str, fraction: float) -> None:
        pipe.send_message({"loading": stage, "fraction": fraction})

    send_progress("starting", 0.0)
    sandbox = Sandbox()
    if config.sandbox:
        _create_gpu_devices(config)
        sandbox.harden_process()
    checkpoint = resolve_checkpoint(config, send_progress)
    adapter = find_adapter(checkpoint, lambda: send_progress("downloading", 0.02))
    if config.sandbox:
        # Before torch starts threads, which are covered only if they start later.
        cache = _gguf_cache(checkpoint, config)
        sources = [checkpoint] if adapter is None else [checkpoint, adapter.base]
        sandbox.restrict_thread(readable_paths(*sources), writable_paths(*cache))
    # Importing torch takes seconds: a wrong path is reported before that.
    from worker.engine.loading.loader import load_model  # noqa: PLC0415
    from worker.engine.loading.torch_setup import configure_torch  # noqa: PLC0415
    from worker.engine.loading.warmup import warm_up  # noqa: PLC0415

    configure_torch(config)
    loaded = load_model(checkpoint, config, send_progress, adapter)
    engine_core = warm_up(
        loaded, config, send_progress, lambda line: write_log("acceleration", line=line)
    )
    if config.sandbox:
        sandbox.forbid_sockets()
    write_log("sandbox", state=describe_sandbox(sandbox) if config.sandbox else "off")
    pipe.send_message({"ready": protocol.dump_model_info(loaded.info)})
    _log_ready(loaded)
    EngineServer(pipe, engine_core).serve_requests()


def _log_ready(loaded: "LoadedModel") -> None:
    from worker.engine.attention.kernel_batch import describe_attention  # noqa: PLC0415
    from worker.engine.loading.device import describe_shared_gpu  # noqa: PLC0415

    attention = describe_attention(loaded.kv_cache.layers)
    shared_gpu = describe_shared_gpu(loaded.kv_cache.layers[0].device)
    write_log(
        "ready",
        device=loaded.info.device,
        dtype=loaded.info.dtype,
        **({"linear_layers": loaded.packing} if loaded.packing else {}),
        **({"attention": attention} if attention else {}),
        **({"gpu_is_shared": shared_gpu} if shared_gpu else {}),
        slots=loaded.info.slots,
        max_positions=loaded.info.max_positions,
        host_cache_bytes=loaded.host_cache_bytes,
    )


def _create_gpu_devices(config: EngineConfig) -> None:
    """Run NVIDIA's setuid helper, as CUDA does at its first use: the sandbox forbids it later."""
    helper = shutil.which("nvidia-modprobe")
    if helper is not None and config.device != "cpu":
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(  # noqa: S603 - no input
                [helper, "-u", "-c", "0"], stdin=subprocess.DEVNULL, timeout=30, check=False
            )


def _gguf_cache(checkpoint: Path, config: EngineConfig) -> list[Path]:
    """Create the directory for a converted file, which must exist before it can be allowed."""
    if checkpoint.suffix != ".gguf":
        return []
    cache = Path(config.gguf_cache) if config.gguf_cache else gguf_cache_directory()
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    return [cache]


def run_until_closed(pipe: MessagePipe, serve: Callable[[], None]) -> int:
    """Serve until stdin closes or a fatal error; returns the exit code."""
    try:
        serve()
    except LoadError as error:
        pipe.send_message({"load_error": str(error)})
        return EXIT_LOAD_FAILED
    except DeviceLostError as error:
        write_log("device_lost", error=str(error))
        return EXIT_DEVICE_LOST
    return 0


def main() -> int:
    """Run the child; returns its exit code."""
    pipe = _open_pipe()
    config = pipe.read_config()
    return run_until_closed(pipe, lambda: _load_and_serve(pipe, config))


if __name__ == "__main__":
    sys.exit(main())
