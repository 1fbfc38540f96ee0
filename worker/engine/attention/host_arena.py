"""
Host arena: pages of pinned memory for the KV of prefixes that left their slots.

Pinning memory takes milliseconds, and torch rounds each pinned block up to a power of two. So the
arena takes slabs of such a size, keeps them, and gives out pages of up to 128 tokens. A page holds
all layers, so it is one copy between device and host instead of one per layer.

Shapes: L layers of one kind, H_kv key-value heads, T tokens, D head size.
"""

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from worker.engine.attention.layer_spec import LayerSpec

PAGE_TOKENS: Final = 128
"""Maximum number of tokens in a page."""

SLAB_BYTES: Final = 2**26
"""Size of a slab: 25 pages of StarChat's 2.5 MiB."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class HostPages:
    """Numbers of the pages of one prefix. The pages are free again when this object is deleted."""

    numbers: tuple[int, ...]
    num_tokens: int


class HostArena:
    """Pages for the KV of `layers`; grows by one slab at a time and never shrinks."""

    def __init__(self, layers: Sequence[LayerSpec]) -> None:
        """Allocate nothing yet."""
        bytes_per_token = sum(layer.bytes_per_token for layer in layers)
        self.page_tokens = max(1, min(PAGE_TOKENS, SLAB_BYTES // bytes_per_token))
        self._page_bytes = self.page_tokens * bytes_per_token
        self._slab_bytes = max(SLAB_BYTES, self._page_bytes)
        self._pages_per_slab = self._slab_bytes // self._page_bytes
        self._device = layers[0].device
        self._kinds = {
            kind: [index for index, layer in enumerate(layers) if layer == kind] for kind in layers
        }
        self._pages: list[Tensor] = []
        self._free_numbers: list[int] = []

    def count_bytes(self, num_tokens: int) -> int:
        """Return the host memory that a prefix of this length takes, in bytes."""
        return self._count_pages(num_tokens) * (self._slab_bytes // self._pages_per_slab)

    def store_blocks(self, blocks: Sequence[Tensor]) -> HostPages:
        """Copy `[2, H_kv, T, D]` of each layer to pages; the copy from a GPU is asynchronous."""
        num_tokens = blocks[0].shape[2]
        pages = self._take_pages(num_tokens)
        for page, start, length in self._list_spans(pages):
            for indices, held in self._view_kinds(page, length):
                gathered = torch.stack([blocks[i][:, :, start : start + length] for i in indices])
                held.copy_(gathered, non_blocking=True)
        return pages

    def load_blocks(self, pages: HostPages, blocks: Sequence[Tensor]) -> None:
        """Copy a prefix, or the beginning of one, to `[2, H_kv, T, D]` of each layer."""
        num_tokens = blocks[0].shape[2]
        for page, start, length in self._list_spans(pages):
            num_wanted = min(length, num_tokens - start)
            if num_wanted <= 0:
                return
            for indices, held in self._view_kinds(page, length):
                copied = held.to(self._device, non_blocking=True)
                for index, layer in zip(indices, copied, strict=True):
                    blocks[index][:, :, start : start + num_wanted] = layer[:, :, :num_wanted]

    def erase_pages(self, erased: Sequence[HostPages]) -> None:
        """Zero the pages of these prefixes, and all free pages, which held others."""
        if self._device.type == "cuda":
            # A copy that is still under way would bring the erased text back.
            torch.cuda.synchronize(self._device)
        numbers = {number for pages in erased for number in pages.numbers}
        for number in numbers.union(self._free_numbers):
            self._pages[number].zero_()

    def _count_pages(self, num_tokens: int) -> int:
        return -(-num_tokens // self.page_tokens)

    def _take_pages(self, num_tokens: int) -> HostPages:
        count = self._count_pages(num_tokens)
        while len(self._free_numbers) < count:
            self._add_slab()
        # The page that was freed last is used first, so that few pages hold old text.
        numbers = tuple(self._free_numbers.pop() for _ in range(count))
        pages = HostPages(numbers, num_tokens)
        weakref.finalize(pages, self._free_numbers.extend, numbers).atexit = False
        return pages

    def _add_slab(self) -> None:
        is_pinned = self._device.type != "cpu"
        slab = torch.empty(self._slab_bytes, dtype=torch.uint8, pin_memory=is_pinned)
        pages = slab[: self._pages_per_slab * self._page_bytes]
        first = len(self._pages)
        self._pages += pages.view(-1, self._page_bytes).unbind()
        self._free_numbers += reversed(range(first, len(self._pages)))

    def _list_spans(self, pages: HostPages) -> Iterator[tuple[Tensor, int, int]]:
        """Yield each page of a prefix with its first token and its number of tokens."""
        starts = range(0, pages.num_tokens, self.page_tokens)
        for number, start in zip(pages.numbers, starts, strict=True):
            yield self._pages[number], start, min(self.page_tokens, pages.num_tokens - start)

    def _view_kinds(self, page: Tensor, num_tokens: int) -> Iterator[tuple[list[int], Tensor]]:
        """Yield the layers of each kind with their part of a page: `[L, 2, H_kv, T, D]`."""
        end = 0
        for kind, indices in self._kinds.items():
            start, end = end, end + len(indices) * num_tokens * kind.bytes_per_token
            shape = (len(indices), 2, kind.num_kv_heads, num_tokens, kind.head_dim)
            yield indices, page[start:end].view(kind.dtype).view(shape)
