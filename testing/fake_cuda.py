"""
Fake CUDA device: runs the engine's code over tensors without memory, on any build of torch.

`FakeTensorMode` computes shapes, types and devices, and refuses operations over two devices. A
build without CUDA lacks some of torch's functions for such tensors; `_TorchFunctions` replaces
these. It also gives the values that the host reads: 0 for a number, true for a condition, and rows
of falling logits, of which the first is sampled.

Shapes: B requests, H query heads, H_kv key-value heads, T tokens, S key positions, D head size.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN: Final = torch.ops.aten
HOST_READS: Final[dict[Any, Callable[[Tensor], object]]] = {
    Tensor.__bool__: lambda _: True,
    Tensor.__float__: lambda _: 0.0,
    Tensor.__int__: lambda _: 0,
    Tensor.item: lambda _: 0,
    Tensor.tolist: lambda tensor: np.zeros(tensor.shape).tolist(),
    Tensor.numpy: lambda tensor: _make_numbers(tensor.shape, tensor.dtype),
}
"""Functions that let the host wait for the device, and the values that they return here."""
HOST_WRITES: Final = frozenset({torch.tensor, torch.as_tensor, torch.from_numpy})
"""Functions that make a tensor from the host's numbers."""
WAITING_OPERATIONS: Final = frozenset(
    {"_local_scalar_dense", "_unique2", "equal", "is_nonzero", "masked_select", "nonzero"}
)
"""Operations whose result's size or value the host waits for."""
OPERATIONS_WITHOUT_KERNEL: Final = frozenset(
    {"_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
)


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """One call of SDPA: shape of the query, and shape and strides of the key `[B, H_kv, S, D]`."""

    query_shape: tuple[int, ...]
    key_shape: tuple[int, ...]
    key_strides: tuple[int, ...]
    has_mask: bool


@dataclass(slots=True)
class OperationLog:
    """
    Operations of one step, in order.

    `kernels` holds the names of operations that launch a kernel. `host_accesses` holds those that
    wait for the device, copy between host and device, or read the host's numbers.
    """

    kernels: list[str] = field(default_factory=list)
    host_accesses: list[str] = field(default_factory=list)
    attention_calls: list[AttentionCall] = field(default_factory=list)


class FakeCuda:
    """Context in which tensors of device `cuda` are fake. `captures` logs each captured step."""

    def __init__(self) -> None:
        self.captures: list[OperationLog] = []
        self._fake_tensor_mode = FakeTensorMode()
        self._log = OperationLog()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for mode in (self._fake_tensor_mode, _Operations(self), _TorchFunctions(self)):
            self._stack.enter_context(mode)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def log(self) -> OperationLog:
        """The log of the running step."""
        return self._log

    def record_run(self, step: Callable[[], object]) -> OperationLog:
        """Run a step and return what it did."""
        outer, self._log = self._log, OperationLog()
        try:
            step()
            return self._log
        finally:
            self._log = outer

    def begin_capture(self) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Begin a set of graphs, for `CudaGraphRunner`. A replay does nothing."""
        return self._capture_step

    def _capture_step(self, step: Callable[[], None]) -> Callable[[], None]:
        self.captures.append(self.record_run(step))
        return lambda: None


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Logs the operations that reach a device; composed operations are logged by their parts."""

    def __init__(self, fake_cuda: FakeCuda) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._fake_cuda = fake_cuda

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is ATEN.dropout.default:
            return args[0]  # evaluation has no dropout; torch's decomposition would copy
        if func.namespace == "aten" and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), "CompositeImplicitAutograd"
        ):
            with self:
                return func.decompose(*args, **kwargs)
        result = func(*args, **kwargs)
        if func.namespace != "prim":
            self._log_operation(func, tree_leaves((args, kwargs, result)))
        return result

    def _log_operation(self, func: Any, values: list[Any]) -> None:
        log, name = self._fake_cuda.log, func._schema.name.rpartition("::")[2]
        tensors = [value for value in values if isinstance(value, Tensor)]
        devices = {tensor.device.type for tensor in tensors}
        has_boolean_index = name in {"index", "index_put_"} and any(
            tensor.dtype == torch.bool for tensor in tensors[1:]
        )
        if len(devices) > 1 or name in WAITING_OPERATIONS or has_boolean_index:
            log.host_accesses.append(name)
        if "cuda" in devices and not _is_view(func) and name not in OPERATIONS_WITHOUT_KERNEL:
            log.kernels.append(name)


class _TorchFunctions(TorchFunctionMode):
    """Replaces functions that a build without CUDA lacks, and what the host reads."""

    def __init__(self, fake_cuda: FakeCuda) -> None:
        super().__init__()
        self._fake_cuda = fake_cuda
        self._replacements: dict[Any, Callable[..., Any]] = {
            Tensor.__getitem__: self._get_item,
            Tensor.__setitem__: self._set_item,
            Tensor.__invert__: ATEN.bitwise_not.default,
            Tensor.contiguous: ATEN.contiguous.default,
            Tensor.copy_: ATEN.copy_.default,
            Tensor.pin_memory: self._pin_memory,
            scaled_dot_product_attention: self._attend,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        log = self._fake_cuda.log
        if func in HOST_READS:
            log.host_accesses.append(func.__name__)
            return HOST_READS[func](args[0])
        if func in HOST_WRITES:
            log.host_accesses.append(func.__name__)
        return self._replacements.get(func, func)(*args, **kwargs)

    def _pin_memory(self, tensor: Tensor) -> Tensor:
        self._fake_cuda.log.host_accesses.append("pin_memory")
        return tensor

    def _get_item(self, tensor: Tensor, index: Any) -> Tensor:
        """Index by integers, slices, `None` and tensors. A boolean mask selects everything."""
        dim = 0
        indices: dict[int, Tensor] = {}
        for part in index if isinstance(index, tuple) else (index,):
            if part is None:
                tensor = tensor.unsqueeze(dim)
            elif isinstance(part, int):
                tensor = tensor.select(dim, part)
                continue
            elif isinstance(part, slice):
                tensor = ATEN.slice.Tensor(tensor, dim, part.start, part.stop, part.step or 1)
            elif part.dtype == torch.bool:
                self._fake_cuda.log.host_accesses.append("boolean index")
            else:
                indices[dim] = part
            dim += 1
        if not indices:
            return tensor
        indexed: Tensor = ATEN.index.Tensor(
            tensor, [indices.get(dim) for dim in range(tensor.ndim)]
        )
        return indexed

    def _set_item(self, tensor: Tensor, index: Any, value: Any) -> None:
        if isinstance(index, Tensor):
            ATEN.index_put_.default(tensor, [index], value)
            return
        target = self._get_item(tensor, index)
        if isinstance(value, Tensor):
            ATEN.copy_.default(target, value)
        else:
            target.fill_(value)

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """Attend by one operation: only a build with CUDA chooses a kernel."""
        assert options.get("enable_gqa") or query.shape[1] == key.shape[1]
        if attn_mask is not None:
            attn_mask = attn_mask.expand(*query.shape[:3], key.shape[2])
        self._fake_cuda.log.attention_calls.append(
            AttentionCall(tuple(query.shape), tuple(key.shape), key.stride(), attn_mask is not None)
        )
        output: Tensor = ATEN._scaled_dot_product_efficient_attention.default(
            query,
            key,
            value,
            attn_mask,
            compute_log_sumexp=False,
            is_causal=options.get("is_causal", False),
            scale=options.get("scale"),
        )[0]
        return output


def _make_numbers(shape: Sequence[int], dtype: torch.dtype) -> NDArray[Any]:
    if dtype == torch.long:
        return np.zeros(shape, np.int64)
    return np.zeros(shape, np.float32) - np.arange(shape[-1], dtype=np.float32)


def _is_view(func: Any) -> bool:
    """Whether an operation returns a view of its input, which launches no kernel."""
    returned = [result.alias_info for result in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returned)
