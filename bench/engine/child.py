"""Process of one engine: `python -m bench.engine.child ENGINE DIRECTORY SLOTS CORE DTYPE`."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bench.engine.load_generator import BenchmarkEngine, RunResult, run_requests, run_thread
from bench.engine.workload import RequestSpec, draw_burst

ENGINE_LOADERS: Final = {
    "pipeline": ("generate", "load_pipeline"),
    "static": ("generate", "load_static"),
    "continuous": ("continuous", "load_continuous"),
    "vllm": ("vllm", "load_vllm"),
    "llama.cpp": ("llama", "load_llama_cpp"),
    "ours": ("ours", "load_own_engine"),
}
"""Module and function that load each engine; each process imports only its own engine."""
WARMUP_REQUESTS: Final = 2
"""Requests answered before the measurement."""


def find_loader(name: str) -> Callable[[Path, int, str], BenchmarkEngine]:
    """Return the function that loads an engine."""
    module, function = ENGINE_LOADERS[name]
    load: Callable[[Path, int, str], BenchmarkEngine] = getattr(
        import_module(f"bench.engine.engines.{module}"), function
    )
    return load


def run_command_line(engine: BenchmarkEngine, line: str) -> RunResult:
    """
    Run one command and return its result.

    Commands: `{"requests": …}` or `{"messages": …, "max_new_tokens": …, "thread_id": …}`.
    """
    command: dict[str, Any] = json.loads(line)
    if "requests" in command:
        requests = [
            RequestSpec(**fields | {"prompt_ids": tuple(fields["prompt_ids"])})
            for fields in command["requests"]
        ]
        return run_requests(engine, requests)[0]
    messages = [tuple(message) for message in command["messages"]]
    return run_thread(engine, messages, command["max_new_tokens"], command["thread_id"])[0]


def main(name: str, directory: Path, slots: int, core: int, dtype: str) -> None:
    """
    Load an engine on one core, print `{}`, then answer line by line until the input ends.

    Commands and answers are JSON lines.
    """
    # Libraries may print to standard output; only results may reach the parent.
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    load = find_loader(name)
    os.sched_setaffinity(0, {core})
    engine = load(directory, slots, dtype)
    run_requests(engine, draw_burst(WARMUP_REQUESTS, 0, token_id_limit=500))
    print("{}", file=results, flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(run_command_line(engine, line))), file=results, flush=True)
    engine.close_engine()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
