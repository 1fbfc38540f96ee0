"""Device errors: which ones end the process, by the texts that CUDA's libraries have."""

import pytest
import torch

from worker.engine.core.device_errors import describe_error, is_device_lost

WORKING = torch.device("cpu")
BROKEN = torch.device("cuda")
"""Without CUDA every call to it fails, as every call to a lost device does."""

LOST = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered"),
    RuntimeError("CUDA error: misaligned address"),
]
REFUSED = [
    RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built."),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA graphs must be captured on a non-default stream."),
    torch.AcceleratorError("CUDA error: out of memory"),
]
OTHERS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    ValueError("a launch failure"),
]


@pytest.mark.parametrize("error", LOST, ids=str)
def test_error_after_which_every_call_fails_is_final(error: Exception) -> None:
    """The device is not asked: it may hang."""
    assert is_device_lost(error, WORKING)


@pytest.mark.parametrize("error", REFUSED, ids=str)
def test_refused_call_is_final_only_if_the_device_fails(error: Exception) -> None:
    """A small computation decides."""
    assert not is_device_lost(error, WORKING)
    if not torch.cuda.is_available():
        assert is_device_lost(error, BROKEN)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_other_errors_leave_the_device(error: Exception) -> None:
    """Memory that is full is no lost device, and neither is an error of our own."""
    assert not is_device_lost(error, BROKEN)


def test_log_has_class_and_first_line() -> None:
    """CUDA's errors have many lines."""
    error = RuntimeError("CUDA error: misaligned address\nCompile with `TORCH_USE_CUDA_DSA`.")

    assert describe_error(error) == "RuntimeError: CUDA error: misaligned address"
    assert describe_error(MemoryError()) == "MemoryError"
    assert len(describe_error(ValueError("x" * 1000))) == 212
