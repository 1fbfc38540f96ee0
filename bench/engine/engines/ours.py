"""Our engine: the step loop that the worker's child runs, without the pipes around it."""

from collections.abc import Sequence
from pathlib import Path

from bench.engine.load_generator import Peer
from bench.engine.workload import Wish
from worker.engine import Request, Sampling
from worker.engine.core.engine_core import Batching
from worker.engine.loading.loader import load as load_weights
from worker.engine.loading.torch_setup import prepare
from worker.engine.options import Options


class Ours:
    """Loaded and prepared exactly as the worker does it."""

    streams = True

    def __init__(self, directory: Path, slots: int) -> None:
        options = Options(model=str(directory), device="cpu", slots=slots, threads=1)
        prepare(options)
        model = load_weights(directory, options, lambda _stage, _done: None)
        self._engine = Batching(
            model.network, model.slots, vocabulary=model.about.vocabulary, budget=model.budget
        )

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        return self._engine.busy

    def add(self, wish: Wish) -> None:
        """Take a request in; what is kept of its thread may be used."""
        sampling = Sampling(max_new_tokens=wish.new, temperature=0)
        why = self._engine.add(Request(wish.name, wish.prompt, sampling, scope=wish.thread))
        if why is not None:
            raise ValueError(why)

    def step(self) -> Sequence[tuple[str, int]]:
        """Make one forward pass."""
        found = self._engine.step().tokens
        return [(name, token) for name, tokens in found.items() for token in tokens]

    def close(self) -> None:
        """Do nothing: no thread and no process is left."""


def load(directory: Path, slots: int) -> Peer:
    """Load a checkpoint into our engine."""
    return Ours(directory, slots)
