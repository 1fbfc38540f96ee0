"""Adapter of llama.cpp, compiled in a separate environment; see `bench.engine.environment`."""

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.engine.gguf_file import ensure_gguf_file
from bench.engine.load_generator import BenchmarkEngine
from bench.engine.workload import RequestSpec

BATCH_TOKENS: Final = 512
"""Maximum tokens of a forward pass: llama.cpp's default."""
TOKENS_PER_SLOT: Final = 256
"""KV cache tokens of a slot; the longest request of a burst has 248."""
MIN_CONTEXT_TOKENS: Final = 1024
"""Minimum KV cache tokens in total, so that a thread of eight turns fits."""


@dataclass(eq=False, slots=True)
class SlotRequest:
    """A request in a slot: tokens to compute, tokens computed, and tokens still to generate."""

    request_id: str
    slot: int
    pending_ids: deque[int]
    num_remaining: int
    num_computed_tokens: int = 0


class LlamaCppEngine(BenchmarkEngine):
    """Schedules as llama.cpp's server does: decode first, prefill fills the rest of the batch."""

    streams_tokens = True

    def __init__(self, directory: Path, slots: int, dtype: str) -> None:
        from llama_cpp import llama_cpp  # noqa: PLC0415

        self._api: Any = llama_cpp
        self._silent_log = llama_cpp.llama_log_callback(lambda *_: None)
        self._api.llama_log_set(self._silent_log, ctypes.c_void_p(0))
        self._api.llama_backend_init()
        file = str(ensure_gguf_file(directory, dtype)).encode()
        self._model = self._api.llama_model_load_from_file(
            file, self._api.llama_model_default_params()
        )
        params = self._api.llama_context_default_params()
        params.n_ctx = max(MIN_CONTEXT_TOKENS, TOKENS_PER_SLOT * slots)
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = slots
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = 1
        self._context = self._api.llama_init_from_model(self._model, params)
        vocabulary = self._api.llama_model_get_vocab(self._model)
        self._vocab_size = self._api.llama_vocab_n_tokens(vocabulary)
        self._batch = self._api.llama_batch_init(BATCH_TOKENS, 0, 1)
        self._free_slots = list(range(slots))
        self._waiting: deque[RequestSpec] = deque()
        self._running: list[SlotRequest] = []

    @property
    def has_work(self) -> bool:
        """Whether any request is unfinished."""
        return bool(self._waiting or self._running)

    def add_request(self, request: RequestSpec) -> None:
        """Queue a request."""
        self._waiting.append(request)

    def run_step(self) -> Sequence[tuple[str, int]]:
        """Run one forward pass."""
        while self._free_slots and self._waiting:
            request = self._waiting.popleft()
            self._running.append(
                SlotRequest(
                    request.request_id,
                    self._free_slots.pop(),
                    deque(request.prompt_ids),
                    request.max_new_tokens,
                )
            )
        sampled_rows = dict(self._fill_batch())
        if self._api.llama_decode(self._context, self._batch):
            raise RuntimeError("llama.cpp refused a batch")
        return [self._sample_token(row, request) for row, request in sampled_rows.items()]

    def _fill_batch(self) -> Iterator[tuple[int, SlotRequest]]:
        """Fill the batch; yield each row whose logits are sampled, with its request."""
        batch, count = self._batch, 0
        for request in sorted(self._running, key=lambda request: len(request.pending_ids) > 1):
            while request.pending_ids and count < BATCH_TOKENS:
                batch.token[count] = request.pending_ids.popleft()
                batch.pos[count] = request.num_computed_tokens
                batch.n_seq_id[count] = 1
                batch.seq_id[count][0] = request.slot
                batch.logits[count] = not request.pending_ids
                if not request.pending_ids:
                    yield count, request
                request.num_computed_tokens += 1
                count += 1
        batch.n_tokens = count

    def _sample_token(self, row: int, request: SlotRequest) -> tuple[str, int]:
        import numpy as np  # noqa: PLC0415

        logits = self._api.llama_get_logits_ith(self._context, row)
        token = int(np.ctypeslib.as_array(logits, shape=(self._vocab_size,)).argmax())
        request.pending_ids.append(token)
        request.num_remaining -= 1
        if not request.num_remaining:
            memory = self._api.llama_get_memory(self._context)
            self._api.llama_memory_seq_rm(memory, request.slot, -1, -1)
            self._running.remove(request)
            self._free_slots.append(request.slot)
        return request.request_id, token


def load_llama_cpp(directory: Path, slots: int, dtype: str) -> BenchmarkEngine:
    """Load a checkpoint into llama.cpp."""
    return LlamaCppEngine(directory, slots, dtype)
