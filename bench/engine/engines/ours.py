"""Adapter of our engine: the step loop of the worker's child process, without its pipes."""

from collections.abc import Sequence
from pathlib import Path

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec
from worker.engine import Request, SamplingParams
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.loader import load_model
from worker.engine.loading.torch_setup import configure_torch
from worker.engine.protocol import EngineConfig


class OwnEngine(BenchmarkEngine):
    """Loads and configures the engine exactly as the worker does."""

    streams_tokens = True

    def __init__(self, directory: Path, slots: int, dtype: str) -> None:
        options = EngineConfig(
            model=str(directory),
            device="cpu",
            dtype="auto" if dtype == "int8" else dtype,
            quantization="int8" if dtype == "int8" else None,
            slots=slots,
            threads=1,
        )
        configure_torch(options)
        model = load_model(directory, options, lambda _stage, _done: None)
        self._engine = EngineCore(
            model.network,
            model.kv_cache,
            vocab_size=model.info.vocab_size,
            max_step_tokens=model.max_step_tokens,
        )

    @property
    def has_work(self) -> bool:
        """Whether any request is unfinished."""
        return self._engine.has_unfinished_requests

    def add_request(self, request: RequestSpec) -> None:
        """Add a request that may use its thread's cached prefix. Raises `ValueError` if invalid."""
        sampling = SamplingParams(max_new_tokens=request.max_new_tokens, temperature=0)
        error = self._engine.add_request(
            Request(request.request_id, request.prompt_ids, sampling, scope=request.thread_id)
        )
        if error is not None:
            raise ValueError(error)

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Run one forward pass."""
        new_tokens = self._engine.run_step().tokens
        return [
            (request_id, token) for request_id, tokens in new_tokens.items() for token in tokens
        ]


def load_own_engine(directory: Path, slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint into our engine."""
    return OwnEngine(directory, slots, dtype)
