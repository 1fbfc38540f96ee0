"""Engines whose steps are recorded on a CPU: run again, or written down operation by operation."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from worker.engine.attention.kv_cache import KVCache
from worker.engine.core.engine_core import EngineCore
from worker.engine.cuda_graphs.runner import CudaGraphRunner
from worker.engine.cuda_graphs.shapes import GraphShapes
from worker.engine.loading.loader import LoadedModel

Replay = Callable[[], None]


@dataclass
class FakeGraphCapture:
    """Runs a step whenever it is to be repeated; counts what is recorded and what is repeated."""

    graph_sets: int = 0
    captured: int = 0
    replayed: int = 0

    def start_set(self) -> Callable[[Replay], Replay]:
        """Begin a new set of recordings."""
        self.graph_sets += 1
        return self.capture_step

    def capture_step(self, step: Replay) -> Replay:
        """Run a step once, as one that is to be recorded is, and return what repeats it."""
        self.captured += 1
        step()

        def replay_step() -> None:
            self.replayed += 1
            step()

        return replay_step


class TracedGraphCapture(FakeGraphCapture):
    """A recorder that writes down every operation on tensors, and repeats just those."""

    def capture_step(self, step: Replay) -> Replay:
        """Trace a step: whatever is no operation on tensors happens once, as on a GPU."""
        self.captured += 1
        traced = make_fx(step)()

        def replay_step() -> None:
            self.replayed += 1
            traced()

        return replay_step


@dataclass
class CapturedEngine:
    """An engine with recorded steps, and what can be asked of it."""

    engine_core: EngineCore
    graphs: CudaGraphRunner
    kv_cache: KVCache
    capture: FakeGraphCapture
    log_lines: list[str] = field(default_factory=list)


def build_captured_engine(
    model: LoadedModel,
    *,
    slots: int = 4,
    budget: int = 64,
    drafted: int = 0,
    shelf: int = 0,
    network: nn.Module | None = None,
    capture: FakeGraphCapture | None = None,
) -> CapturedEngine:
    """Make an engine that takes every step that it can over fixed memory."""
    kv_cache = KVCache(model.kv_cache.layers, slots, model.info.max_positions)
    network = network or model.network
    engine_core = EngineCore(
        network,
        kv_cache,
        vocab_size=model.info.vocab_size,
        max_step_tokens=budget,
        num_speculative_tokens=drafted,
        host_cache_bytes=shelf,
    )
    buckets = GraphShapes(slots, kv_cache.max_positions, drafted)
    log_lines: list[str] = []
    capture = capture or FakeGraphCapture()
    graphs = CudaGraphRunner(network, kv_cache, buckets, capture.start_set, log_lines.append)
    engine_core.use_cuda_graphs(graphs)
    return CapturedEngine(engine_core, graphs, kv_cache, capture, log_lines)
