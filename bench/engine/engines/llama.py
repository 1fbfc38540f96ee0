"""llama.cpp, in an environment of its own where it is compiled; see `bench.engine.environment`."""

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.engine.gguf_file import gguf_file
from bench.engine.load_generator import Peer
from bench.engine.workload import Wish

BATCH: Final = 512
"""Tokens in one forward pass: its own default for what it computes at once."""
POSITIONS: Final = 256
"""Of each slot: the longest prompt and reply of a burst have 248 tokens."""
LEAST: Final = 1024
"""Positions in all, so that a thread of eight turns fits one slot."""


@dataclass(eq=False, slots=True)
class Request:
    """A request in a slot: its unread tokens, how many are read, and how many still to come."""

    name: str
    slot: int
    unread: deque[int]
    left: int
    read: int = 0


class Llama:
    """Scheduled as its own server does: what grows comes first, prompts fill the rest."""

    streams = True

    def __init__(self, directory: Path, slots: int) -> None:
        from llama_cpp import llama_cpp  # noqa: PLC0415

        self._api: Any = llama_cpp
        self._quiet = llama_cpp.llama_log_callback(lambda *_: None)
        self._api.llama_log_set(self._quiet, ctypes.c_void_p(0))
        self._api.llama_backend_init()
        file = str(gguf_file(directory)).encode()
        self._model = self._api.llama_model_load_from_file(
            file, self._api.llama_model_default_params()
        )
        wanted = self._api.llama_context_default_params()
        wanted.n_ctx = max(LEAST, POSITIONS * slots)
        wanted.n_batch = wanted.n_ubatch = BATCH
        wanted.n_seq_max = slots
        wanted.kv_unified = True
        wanted.n_threads = wanted.n_threads_batch = 1
        self._context = self._api.llama_init_from_model(self._model, wanted)
        vocabulary = self._api.llama_model_get_vocab(self._model)
        self._size = self._api.llama_vocab_n_tokens(vocabulary)
        self._batch = self._api.llama_batch_init(BATCH, 0, 1)
        self._free = list(range(slots))
        self._waiting: deque[Wish] = deque()
        self._running: list[Request] = []

    @property
    def busy(self) -> bool:
        """Whether any request is not over."""
        return bool(self._waiting or self._running)

    def add(self, wish: Wish) -> None:
        """Take a request in."""
        self._waiting.append(wish)

    def step(self) -> Sequence[tuple[str, int]]:
        """Make one forward pass."""
        while self._free and self._waiting:
            wish = self._waiting.popleft()
            self._running.append(Request(wish.name, self._free.pop(), deque(wish.prompt), wish.new))
        ends = dict(self._laid_out())
        if self._api.llama_decode(self._context, self._batch):
            raise RuntimeError("llama.cpp refused a batch")
        return [self._grown(row, request) for row, request in ends.items()]

    def _laid_out(self) -> Iterator[tuple[int, Request]]:
        """Fill the batch; yields the rows to choose from with their requests."""
        batch, count = self._batch, 0
        for request in sorted(self._running, key=lambda request: len(request.unread) > 1):
            while request.unread and count < BATCH:
                batch.token[count] = request.unread.popleft()
                batch.pos[count] = request.read
                batch.n_seq_id[count] = 1
                batch.seq_id[count][0] = request.slot
                batch.logits[count] = not request.unread
                if not request.unread:
                    yield count, request
                request.read += 1
                count += 1
        batch.n_tokens = count

    def _grown(self, row: int, request: Request) -> tuple[str, int]:
        import numpy as np  # noqa: PLC0415

        logits = self._api.llama_get_logits_ith(self._context, row)
        token = int(np.ctypeslib.as_array(logits, shape=(self._size,)).argmax())
        request.unread.append(token)
        request.left -= 1
        if not request.left:
            memory = self._api.llama_get_memory(self._context)
            self._api.llama_memory_seq_rm(memory, request.slot, -1, -1)
            self._running.remove(request)
            self._free.append(request.slot)
        return request.name, token

    def close(self) -> None:
        """Do nothing: its step ran here."""


def load(directory: Path, slots: int) -> Peer:
    """Load a checkpoint into llama.cpp."""
    return Llama(directory, slots)
