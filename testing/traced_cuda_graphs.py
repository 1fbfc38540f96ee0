"""Engines whose steps are recorded on a CPU: run again, or written down operation by operation."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from worker.engine.attention.kv_cache import Slots
from worker.engine.core.engine_core import Batching
from worker.engine.cuda_graphs.runner import Graphs
from worker.engine.cuda_graphs.shapes import Buckets
from worker.engine.loading.loader import Loaded

Repeat = Callable[[], None]


@dataclass
class Recorder:
    """Runs a step whenever it is to be repeated; counts what is recorded and what is repeated."""

    sets: int = 0
    recorded: int = 0
    repeated: int = 0

    def begin(self) -> Callable[[Repeat], Repeat]:
        """Begin a new set of recordings."""
        self.sets += 1
        return self.record

    def record(self, step: Repeat) -> Repeat:
        """Run a step once, as one that is to be recorded is, and return what repeats it."""
        self.recorded += 1
        step()

        def repeat() -> None:
            self.repeated += 1
            step()

        return repeat


class Traced(Recorder):
    """A recorder that writes down every operation on tensors, and repeats just those."""

    def record(self, step: Repeat) -> Repeat:
        """Trace a step: whatever is no operation on tensors happens once, as on a GPU."""
        self.recorded += 1
        traced = make_fx(step)()

        def repeat() -> None:
            self.repeated += 1
            traced()

        return repeat


@dataclass
class Recorded:
    """An engine with recorded steps, and what can be asked of it."""

    batching: Batching
    graphs: Graphs
    slots: Slots
    recorder: Recorder
    told: list[str] = field(default_factory=list)


def recorded(
    model: Loaded,
    *,
    slots: int = 4,
    budget: int = 64,
    drafted: int = 0,
    shelf: int = 0,
    network: nn.Module | None = None,
    recorder: Recorder | None = None,
) -> Recorded:
    """Make an engine that takes every step that it can over fixed memory."""
    memory = Slots(model.slots.layers, slots, model.about.positions)
    network = network or model.network
    batching = Batching(
        network,
        memory,
        vocabulary=model.about.vocabulary,
        budget=budget,
        drafted=drafted,
        shelf=shelf,
    )
    buckets = Buckets(slots, memory.positions, drafted)
    told: list[str] = []
    recorder = recorder or Recorder()
    graphs = Graphs(network, memory, buckets, recorder.begin, told.append)
    batching.engage(graphs)
    return Recorded(batching, graphs, memory, recorder, told)
