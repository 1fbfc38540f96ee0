"""transformers' continuous batching, whose loop is a thread of this process."""

from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from bench.engine.load_generator import Peer
from bench.engine.workload import Wish

BUDGET: Final = 256
"""Tokens of one step, as many as ours has on a CPU; it is fastest so here, too."""
PAGE: Final = 32
"""Positions of a page of its cache; its default of 256 is slower here."""
LONGEST: Final = 1024
"""Positions that one request may need."""


class Continuous:
    """Its manager runs as long as the peer does."""

    streams = True

    def __init__(self, directory: Path, slots: int) -> None:
        torch.set_num_threads(1)
        model: Any = AutoModelForCausalLM.from_pretrained(directory)
        model.requires_grad_(requires_grad=False)
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False, max_new_tokens=96, eos_token_id=-1, pad_token_id=0
        )
        room = ContinuousBatchingConfig(
            page_size=PAGE, max_batch_tokens=BUDGET, num_blocks=(slots // 2 + 2) * LONGEST // PAGE
        )
        self._manager = model.init_continuous_batching(
            generation_config=config, continuous_batching_config=room
        )
        self._manager.start()
        self._seen: dict[str, int] = {}

    @property
    def busy(self) -> bool:
        """Whether any request is not over."""
        return bool(self._seen)

    def add(self, wish: Wish) -> None:
        """Hand a request to the thread."""
        self._seen[wish.name] = 0
        self._manager.add_request(
            list(wish.prompt), request_id=wish.name, max_new_tokens=wish.new, streaming=True
        )

    def step(self) -> Sequence[tuple[str, int]]:
        """Wait for the next result and take those that came with it."""
        results = [self._manager.get_result(timeout=60)]
        while True:
            try:
                results.append(self._manager.output_router.output_queue.get_nowait())
            except Empty:
                break
        found = []
        for result in results:
            if result is None or result.error:
                raise RuntimeError(f"continuous batching failed: {result and result.error}")
            name = result.request_id
            fresh = result.generated_tokens[self._seen[name] :]
            found += [(name, token) for token in fresh]
            self._seen[name] += len(fresh)
            if result.is_finished():
                del self._seen[name]
        return found

    def close(self) -> None:
        """End the thread."""
        self._manager.stop(block=True)


def load(directory: Path, slots: int) -> Peer:
    """Load a checkpoint into transformers' continuous batching."""
    return Continuous(directory, slots)
