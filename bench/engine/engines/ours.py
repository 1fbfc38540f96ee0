"""Our engine: the step loop that the worker's child runs, without the pipes around it."""

from collections.abc import Sequence
from pathlib import Path

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec
from worker.engine import Request, Sampling
from worker.engine.core.engine_core import Batching
from worker.engine.loading.loader import load as load_weights
from worker.engine.loading.torch_setup import prepare
from worker.engine.options import Options


class OwnEngine:
    """Loaded and prepared exactly as the worker does it."""

    streams_tokens = True

    def __init__(self, directory: Path, slots: int) -> None:
        options = Options(model=str(directory), device="cpu", slots=slots, threads=1)
        prepare(options)
        model = load_weights(directory, options, lambda _stage, _done: None)
        self._engine = Batching(
            model.network, model.slots, vocabulary=model.about.vocabulary, budget=model.budget
        )

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return self._engine.busy

    def add_request(self, request: RequestSpec) -> None:
        """Take a request in; what is kept of its thread may be used."""
        sampling = Sampling(max_new_tokens=request.max_new_tokens, temperature=0)
        error = self._engine.add(
            Request(request.request_id, request.prompt_ids, sampling, scope=request.thread_id)
        )
        if error is not None:
            raise ValueError(error)

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Make one forward pass."""
        new_tokens = self._engine.step().tokens
        return [(name, token) for name, tokens in new_tokens.items() for token in tokens]

    def close_engine(self) -> None:
        """Do nothing: no thread and no process is left."""


def load_own_engine(directory: Path, slots: int) -> BenchmarkEngine:
    """Load a checkpoint into our engine."""
    return OwnEngine(directory, slots)
