"""
A tied embedding on a CPU, looked up in the checkpoint's own file.

The output layer has a packed copy of the same weights, out of which no row can be read. A second
copy in the process's memory would be a third of a small model. Pages of the file are shared among
processes, and the system may drop and read them again. Replacing the file by another is harmless;
writing into it or cutting it while the worker runs is not.
"""

import json
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

DTYPES: Final = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
"""Number formats by their names in the safetensors format."""
LENGTH_BYTES: Final = 8
"""Size of the number at the start of a file that gives the length of its header, in bytes."""


def map_tied_embedding(network: Any, directory: Path) -> bool:
    """
    Replace the table of a tied embedding by the checkpoint's file; returns whether it was.

    Rows are rounded to the table's number format as they are looked up. The table stays in memory
    if no tensor of the checkpoint gives the same numbers.
    """
    embedding: nn.Module = network.get_input_embeddings()
    if not getattr(network.config, "tie_word_embeddings", False) or not isinstance(
        embedding, nn.Embedding
    ):
        return False
    for file in sorted(directory.glob("*.safetensors")):
        table = _map_equal_tensor(file, embedding.weight)
        if table is not None:
            _replace_table(embedding, table)
            return True
    return False


def _replace_table(embedding: nn.Embedding, table: Tensor) -> None:
    dtype = embedding.weight.dtype
    if table.dtype != dtype:
        # Before the hook of packed layers that widens rows.
        embedding.register_forward_hook(lambda _module, _ids, rows: rows.to(dtype), prepend=True)
    embedding.weight = nn.Parameter(table, requires_grad=False)


def _map_equal_tensor(file: Path, expected: Tensor) -> Tensor | None:
    """Return the tensor of a file whose numbers, once rounded, equal `expected`."""
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    for dtype, offset in _list_places(mapped, list(expected.shape)):
        numbers = torch.frombuffer(mapped, dtype=dtype, count=expected.numel(), offset=offset)
        table = numbers.view(expected.shape)
        if torch.equal(table.to(expected.dtype), expected):
            # The comparison has read all of it; lookups are few and far apart.
            mapped.madvise(mmap.MADV_DONTNEED)
            mapped.madvise(mmap.MADV_RANDOM)
            return table
    return None


def _list_places(mapped: mmap.mmap, shape: list[int]) -> Iterator[tuple[torch.dtype, int]]:
    """Yield number format and offset of each tensor of a file that has this shape."""
    start = LENGTH_BYTES + int.from_bytes(mapped[:LENGTH_BYTES], "little")
    header: dict[str, Any] = json.loads(mapped[LENGTH_BYTES:start])
    for entry in header.values():
        if entry.get("shape") == shape and entry["dtype"] in DTYPES:
            yield DTYPES[entry["dtype"]], start + entry["data_offsets"][0]
