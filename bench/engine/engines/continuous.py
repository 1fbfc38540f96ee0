"""Adapter of transformers' continuous batching, whose loop is a thread of this process."""

from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any, Final

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec

MAX_BATCH_TOKENS: Final = 256
"""Maximum tokens of a step: the value of our engine on a CPU, and the fastest here, too."""
PAGE_SIZE_TOKENS: Final = 32
"""Tokens of a KV cache page; the default of 256 is slower here."""
MAX_REQUEST_TOKENS: Final = 1024
"""Maximum KV cache tokens of a request."""


class ContinuousBatchingEngine(BenchmarkEngine):
    """The manager thread runs until `close_engine`."""

    streams_tokens = True

    def __init__(self, directory: Path, slots: int, dtype: str) -> None:
        torch.set_num_threads(1)
        model: Any = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
        model.requires_grad_(requires_grad=False)
        config = GenerationConfig(
            do_sample=False, max_new_tokens=96, eos_token_id=-1, pad_token_id=0
        )
        batching_config = ContinuousBatchingConfig(
            page_size=PAGE_SIZE_TOKENS,
            max_batch_tokens=MAX_BATCH_TOKENS,
            num_blocks=(slots // 2 + 2) * MAX_REQUEST_TOKENS // PAGE_SIZE_TOKENS,
        )
        self._manager = model.init_continuous_batching(
            generation_config=config, continuous_batching_config=batching_config
        )
        self._manager.start()
        self._num_seen_tokens: dict[str, int] = {}

    @property
    def has_work(self) -> bool:
        """Whether any request is unfinished."""
        return bool(self._num_seen_tokens)

    def add_request(self, request: RequestSpec) -> None:
        """Pass a request to the manager thread."""
        self._num_seen_tokens[request.request_id] = 0
        self._manager.add_request(
            list(request.prompt_ids),
            request_id=request.request_id,
            max_new_tokens=request.max_new_tokens,
            streaming=True,
        )

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Wait for the next result and take all others that are ready."""
        results = [self._manager.get_result(timeout=60)]
        while True:
            try:
                results.append(self._manager.output_router.output_queue.get_nowait())
            except Empty:
                break
        tokens = []
        for result in results:
            if result is None or result.error:
                raise RuntimeError(f"continuous batching failed: {result and result.error}")
            request_id = result.request_id
            new_tokens = result.generated_tokens[self._num_seen_tokens[request_id] :]
            tokens += [(request_id, token) for token in new_tokens]
            self._num_seen_tokens[request_id] += len(new_tokens)
            if result.is_finished():
                del self._num_seen_tokens[request_id]
        return tokens

    def close_engine(self) -> None:
        """Stop the manager thread."""
        self._manager.stop(block=True)


def load_continuous(directory: Path, slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint into transformers' continuous batching."""
    return ContinuousBatchingEngine(directory, slots, dtype)
