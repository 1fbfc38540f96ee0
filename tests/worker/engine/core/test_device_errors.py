"""Device errors: which ones end the process, by the texts that CUDA's libraries have."""

import pytest
import torch

from worker.engine.core.device_errors import describe_error, is_allocation_refused, is_device_lost

WORKING = torch.device("cpu")
BROKEN = torch.device("cuda")
"""Without CUDA every call to it fails, as every call to a lost device does."""

HINTS = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the"
    " stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
"""Lines that torch adds to each error of the CUDA runtime, of any kind."""


def make_cuda_error(reason: str) -> torch.AcceleratorError:
    """Return what torch raises for an error of the CUDA runtime."""
    return torch.AcceleratorError(f"CUDA error: {reason}{HINTS}")


LOST = [
    *map(
        make_cuda_error,
        (
            "an illegal memory access was encountered",
            "the launch timed out and was terminated",
            "device-side assert triggered",
            "hardware stack error",
            "an illegal instruction was encountered",
            "misaligned address",
            "operation not supported on global/shared address space",
            "invalid program counter",
            "unspecified launch failure",
            "uncorrectable ECC error encountered",
            "uncorrectable NVLink error detected during the execution",
            "context is destroyed",
            "driver shutting down",
        ),
    ),
    RuntimeError("CUDA error: misaligned address"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
]
REFUSED = [
    *map(
        make_cuda_error,
        (
            "out of memory",
            "invalid configuration argument",
            "invalid argument",
            "too many resources requested for launch",
            "no kernel image is available for execution on the device",
            "operation not permitted when stream is capturing",
            "operation failed due to a previous error during capture",
            "CUDA-capable device(s) is/are busy or unavailable",
            "unknown error",
        ),
    ),
    RuntimeError("cuDNN Frontend error: [cudnn_frontend] Error: No valid execution plans built."),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasLtMatmul`"),
    RuntimeError("CUDA graphs must be captured on a non-default stream."),
    RuntimeError("Triton Error [CUDA]: out of memory"),
]
OTHERS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    ValueError("a launch failure"),
]


@pytest.mark.parametrize("error", LOST, ids=describe_error)
def test_error_after_which_every_call_fails_is_final(error: Exception) -> None:
    """The device is not asked: it may hang."""
    assert is_device_lost(error, WORKING)


@pytest.mark.parametrize("error", REFUSED, ids=describe_error)
def test_refused_call_is_final_only_if_the_device_fails(error: Exception) -> None:
    """A small computation decides."""
    assert not is_device_lost(error, WORKING)
    if not torch.cuda.is_available():
        assert is_device_lost(error, BROKEN)


@pytest.mark.parametrize("error", OTHERS, ids=describe_error)
def test_other_errors_leave_the_device(error: Exception) -> None:
    """Memory that is full is no lost device, and neither is an error of our own."""
    assert not is_device_lost(error, BROKEN)


def test_log_has_class_and_first_line() -> None:
    """CUDA's errors have many lines."""
    error = make_cuda_error("misaligned address")

    assert describe_error(error) == "AcceleratorError: CUDA error: misaligned address"
    assert describe_error(MemoryError()) == "MemoryError"
    assert len(describe_error(ValueError("x" * 1000))) == 212


def test_refused_allocation_is_told_from_other_errors() -> None:
    """A CPU refuses with a plain error, which only its text distinguishes."""
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)

    assert is_allocation_refused(refused.value)
    assert is_allocation_refused(torch.OutOfMemoryError())
    assert not is_allocation_refused(RuntimeError("broken"))
    assert not is_allocation_refused(MemoryError())
