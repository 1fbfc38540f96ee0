"""
Packed batch: a step's attention by SDPA, decodes together and prefill chunks one by one.

For a CPU without the compiled kernel (see `KernelBatch`), and for a GPU without variable-length
attention (see `VarlenBatch`). All requests of a
step are one row of tokens, decodes first. Keys and values go to their slots, and each token attends
to the KV in its slot.

Shapes: T tokens of the step, B decodes, S key positions, H query heads, H_kv key-value heads,
D head size, G = H / H_kv.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from worker.engine.attention.kv_cache import KVCache
from worker.engine.attention.sdpa import SDPA
from worker.engine.attention.step_tensors import StepTensors

MAX_PADDING_RATIO: Final = 2
"""On a CPU decodes run one by one if padding would multiply their work by more than this."""

Shared = TypeVar("Shared")

QKV = tuple[Tensor, Tensor, Tensor]
"""Query `[1, H, T, D]`, key and value `[1, H_kv, T, D]` of the step's tokens."""


@dataclass(frozen=True, slots=True)
class PrefillChunk:
    """`num_tokens` tokens of one slot from position `start`, at `offset` in the packed row."""

    slot: int
    start: int
    num_tokens: int
    offset: int


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """
    Slots and positions of a packed row's tokens.

    `decode_slots` have one token each, at `decode_positions`, first in the row. `tensors` has the
    same on the device. `wanted` holds the tokens whose logits are wanted, if they are so few that
    the last layer should compute no others (see `last_layer`).
    """

    kv_cache: KVCache
    tensors: StepTensors
    decode_slots: Sequence[int]
    decode_positions: Sequence[int]
    prefill_chunks: Sequence[PrefillChunk]
    wanted: "PackedBatch | None" = None
    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def attend(self, layer_index: int, sdpa: SDPA, qkv: QKV) -> Tensor:
        """Store the layer's keys and values, then attend. Returns `[1, T, H, D]`."""
        self.store_kv(layer_index, qkv)
        query, key, value = qkv
        layer_kv = self.kv_cache.layer_view(layer_index)
        num_decodes = len(self.decode_slots)
        parts = []
        if num_decodes:
            parts.append(self._decode(sdpa, query[0, :, :num_decodes].transpose(0, 1), layer_kv))
        for chunk in self.prefill_chunks:
            span = slice(chunk.offset, chunk.offset + chunk.num_tokens)
            part = (query[:, :, span], key[:, :, span], value[:, :, span])
            parts.append(self._prefill(sdpa, part, layer_kv, chunk))
        num_padding = query.shape[2] - sum(map(len, parts))
        if num_padding:
            parts.append(query.new_zeros(num_padding, query.shape[1], query.shape[3]))
        return (parts[0] if len(parts) == 1 else torch.cat(parts)).unsqueeze(0)

    def store_kv(self, layer_index: int, qkv: QKV) -> None:
        """Store the layer's keys and values of all tokens in their slots."""
        _, key, value = qkv
        layer_kv = self.kv_cache.layer_view(layer_index)
        if self.decode_slots:
            self._store_decode_kv(layer_kv, key, value)
        for chunk in self.prefill_chunks:
            span = slice(chunk.offset, chunk.offset + chunk.num_tokens)
            end = chunk.start + chunk.num_tokens
            layer_kv[0, chunk.slot, :, chunk.start : end] = key[0, :, span]
            layer_kv[1, chunk.slot, :, chunk.start : end] = value[0, :, span]

    def _store_decode_kv(self, layer_kv: Tensor, key: Tensor, value: Tensor) -> None:
        """
        Store the key and value of each decode.

        `layer_kv`: `[2, slots, H_kv, positions, D]`; `key`, `value`: `[1, H_kv, T, D]`.
        """
        num_decodes, heads, dim = len(self.decode_slots), key.shape[1], key.shape[3]
        if num_decodes == 1:
            slot, position = self.decode_slots[0], self.decode_positions[0]
            layer_kv[0, slot, :, position] = key[0, :, 0]
            layer_kv[1, slot, :, position] = value[0, :, 0]
            return
        slot_mapping = self._slot_mapping(heads, layer_kv.device)
        # One flat index is several times faster here than one index per dimension.
        layer_kv[0].view(-1, dim).index_copy_(
            0, slot_mapping, key[0, :, :num_decodes].reshape(-1, dim)
        )
        layer_kv[1].view(-1, dim).index_copy_(
            0, slot_mapping, value[0, :, :num_decodes].reshape(-1, dim)
        )

    def _prefill(self, sdpa: SDPA, qkv: QKV, layer_kv: Tensor, chunk: PrefillChunk) -> Tensor:
        """
        Attend from a prefill chunk of T tokens to its slot. Returns `[T, H, D]`.

        `layer_kv`: `[2, slots, H_kv, positions, D]`, which holds the chunk's keys already.
        """
        query, key, value = qkv
        end = chunk.start + chunk.num_tokens
        if chunk.start == 0:
            return sdpa.attend_causal(query, key, value)[0].transpose(0, 1)
        if chunk.num_tokens == 1:
            # A mask and one query, with keys repeated as a view, are wrong in a kernel of torch up
            # to 2.13 (pytorch/pytorch#191937). One token needs neither.
            heads = layer_kv.shape[2]
            kv = layer_kv[:, chunk.slot : chunk.slot + 1, :, sdpa.first_visible(chunk.start) : end]
            grouped_query = query.reshape(1, heads, -1, query.shape[3])
            return sdpa.attend_grouped_query(grouped_query, kv).reshape(1, -1, query.shape[3])
        kv = layer_kv[:, chunk.slot : chunk.slot + 1, :, :end]
        mask = self._memoize(
            (chunk, sdpa.window),
            lambda: sdpa.visible_from(chunk.start, chunk.num_tokens, query.device),
        )
        return sdpa.attend_with_mask(query, kv[0], kv[1], mask)[0].transpose(0, 1)

    def _decode(self, sdpa: SDPA, query: Tensor, layer_kv: Tensor) -> Tensor:
        """Attend from one token of each decode. `query` and result: `[B, H, D]`."""
        max_length = max(self.decode_positions) + 1
        total_length = sum(self.decode_positions) + len(self.decode_positions)
        num_slots = max(self.decode_slots) + 1
        grouped_query = query.reshape(query.shape[0], layer_kv.shape[2], -1, query.shape[2])
        if layer_kv.device.type == "cpu" and (
            len(self.decode_slots) == 1 or num_slots * max_length > MAX_PADDING_RATIO * total_length
        ):
            output = torch.cat(
                [
                    self._decode_one(sdpa, row, grouped_query[row : row + 1], layer_kv)
                    for row in range(len(query))
                ]
            )
        else:
            output = self._decode_in_batch(
                sdpa, grouped_query, layer_kv[:, :num_slots, :, :max_length]
            )
        return output.reshape(query.shape)

    def _decode_one(self, sdpa: SDPA, row: int, grouped_query: Tensor, layer_kv: Tensor) -> Tensor:
        """Attend from the decode in a row. `grouped_query` and result: `[1, H_kv, G, D]`."""
        slot, position = self.decode_slots[row], self.decode_positions[row]
        kv = layer_kv[:, slot : slot + 1, :, sdpa.first_visible(position) : position + 1]
        return sdpa.attend_grouped_query(grouped_query, kv)

    def _decode_in_batch(self, sdpa: SDPA, grouped_query: Tensor, kv: Tensor) -> Tensor:
        """
        Attend for the first N slots at once, idle ones too, so that no key is copied.

        `grouped_query` and result: `[B, H_kv, G, D]`; `kv`: `[2, N, H_kv, S, D]`.
        """
        num_slots, max_length = kv.shape[1], kv.shape[3]
        slots, positions = self._decode_indices

        def build_mask() -> Tensor:
            slot_positions = positions.new_zeros(num_slots)
            slot_positions[slots] = positions
            return sdpa.additive_mask(
                slot_positions[:, None, None, None], max_length, grouped_query.dtype
            )

        in_order = list(self.decode_slots) == list(range(len(self.decode_slots)))
        queries = grouped_query
        if not in_order:
            queries = grouped_query.new_zeros(num_slots, *grouped_query.shape[1:]).index_copy_(
                0, slots, grouped_query
            )
        output = sdpa.attend_grouped_query(
            queries,
            kv,
            self._memoize(("decode_mask", sdpa.window, grouped_query.dtype), build_mask),
        )
        return output if in_order else output.index_select(0, slots)

    def _memoize(self, key: Hashable, make: Callable[[], Shared]) -> Shared:
        """Return what all layers of a step share; the first layer creates it."""
        if key not in self._cache:
            self._cache[key] = make()
        shared: Shared = self._cache[key]
        return shared

    @property
    def _decode_indices(self) -> tuple[Tensor, Tensor]:
        """The decodes' slots and positions, int64 `[B]` each."""
        num_decodes = len(self.decode_slots)
        return (
            self._memoize("slots", lambda: self.tensors.slots[:num_decodes]),
            self._memoize("positions", lambda: self.tensors.positions[:num_decodes]),
        )

    def _slot_mapping(self, num_kv_heads: int, device: torch.device) -> Tensor:
        """
        Return the storage rows of the decodes' keys, int64 `[H_kv * B]`.

        A row indexes one half of a layer, viewed as `[slots * H_kv * positions, D]`.
        """

        def compute_mapping() -> Tensor:
            slots, positions = self._decode_indices
            of_heads = torch.arange(num_kv_heads, device=device).unsqueeze(1)
            return (
                (slots * num_kv_heads + of_heads) * self.kv_cache.max_positions + positions
            ).flatten()

        return self._memoize(("slot_mapping", num_kv_heads), compute_mapping)
