"""Device and number format: a GPU that can't be used stops the load with one line."""

from pathlib import Path

import pytest
import torch

from worker.engine import LoadError
from worker.engine.loading import device as device_module
from worker.engine.loading.device import (
    describe_shared_gpu,
    describe_unusable_gpu,
    select_device,
    select_dtype,
)
from worker.engine.loading.quantization import check_version
from worker.engine.loading.torch_setup import configure_torch
from worker.engine.protocol import EngineConfig

DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
CPU = torch.device("cpu")


@pytest.fixture
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Files of a machine with a GPU and a driver."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    files = tmp_path / "version", tmp_path / "nvidia0"
    files[0].write_text(DRIVER, "ascii")
    files[1].touch()
    return files


def test_torch_without_cuda_on_a_gpu_machine_is_named(
    gpu: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would run on the CPU without a word."""
    monkeypatch.setattr(torch.version, "cuda", None)
    line = describe_unusable_gpu(*gpu)

    assert line is not None
    assert "is built without CUDA: install torch's build for CUDA" in line
    assert line.endswith("or set STARCHAT_DEVICE=cpu")


def test_driver_that_is_too_old_is_named_with_both_versions(
    gpu: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator knows what to update."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    line = describe_unusable_gpu(*gpu)

    assert line is not None
    assert "needs a driver for CUDA 13.0, but this machine's driver 550.54.15 does not" in line
    gpu[0].unlink()
    assert "driver (unknown version)" in str(describe_unusable_gpu(*gpu))


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_or_missing_gpu_is_none(
    gpu: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    """A container without the GPU still sees the host's driver."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert describe_unusable_gpu(*gpu) is None
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    gpu[1].unlink()
    assert describe_unusable_gpu(*gpu) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_unusable_gpu_stops_the_load(
    gpu: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With `cpu` the GPU does not matter."""
    monkeypatch.setattr(device_module, "describe_unusable_gpu", lambda: "a reason")
    with pytest.raises(LoadError, match="a reason"):
        select_device(name)

    assert select_device("cpu") == CPU


def test_number_format_of_a_gpu_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    """An old GPU emulates bfloat16, which is slow."""
    cuda = torch.device("cuda")
    for is_native, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(
            torch.cuda,
            "is_bf16_supported",
            lambda including_emulation, native=is_native: native or including_emulation,
        )
        assert select_dtype("auto", cuda) is dtype

    with pytest.raises(LoadError, match="dtype must be"):
        select_dtype("int4", CPU)


@pytest.mark.parametrize(
    ("bfloat16", "amx", "engines", "stored", "chosen"),
    [
        (True, False, ["fbgemm"], torch.bfloat16, torch.bfloat16),
        (False, True, ["fbgemm"], None, torch.float16),
        (False, True, ["fbgemm"], torch.bfloat16, torch.bfloat16),
        (True, True, ["fbgemm"], torch.float16, torch.float16),
        (True, True, ["fbgemm"], torch.float64, torch.float32),
        (False, False, ["fbgemm"], torch.bfloat16, torch.float16),
        (False, False, ["fbgemm"], torch.float16, torch.float16),
        (False, False, ["qnnpack"], torch.bfloat16, torch.float32),
        (True, True, ["fbgemm"], torch.float32, torch.float32),
    ],
)
def test_number_format_of_a_cpu_is_the_processors_best(
    monkeypatch: pytest.MonkeyPatch,
    *,
    bfloat16: bool,
    amx: bool,
    engines: list[str],
    stored: torch.dtype | None,
    chosen: torch.dtype,
) -> None:
    """Of 16 bits that lose none, unless the checkpoint stores more; `None` is a quantized file."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(type(torch.backends.quantized), "supported_engines", engines)

    assert select_dtype("auto", CPU, stored) is chosen
    half = torch.float16 if "fbgemm" in engines else torch.float32
    assert select_dtype("float16", CPU, stored) is half


def test_old_package_of_a_quantization_is_refused() -> None:
    """The line names both versions."""
    check_version("torch", "2.0")
    with pytest.raises(LoadError, match=r"quantization needs torch 99\.0 or newer, not "):
        check_version("torch", "99.0")


def test_attention_does_not_use_cudnn() -> None:
    """A plan for each new shape would stop all replies for up to a second."""
    kernels, threads = torch.backends.cuda, torch.get_num_threads()
    kernels.enable_cudnn_sdp(True)  # noqa: FBT003 - torch takes it by position
    try:
        configure_torch(EngineConfig(threads=1))
        assert not kernels.cudnn_sdp_enabled()  # type: ignore[no-untyped-call]
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("free_gb", "foreign_gb"), [(44, None), (13, 31)])
def test_shared_gpu_is_named(
    monkeypatch: pytest.MonkeyPatch, free_gb: int, foreign_gb: int | None
) -> None:
    """A second worker on the same GPU would pass unnoticed, at half the speed."""
    gigabyte = 10**9
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (free_gb * gigabyte, 80 * gigabyte))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: 36 * gigabyte)

    line = describe_shared_gpu(torch.device("cuda"))

    assert describe_shared_gpu(torch.device("cpu")) is None
    assert (line is None) == (foreign_gb is None)
    assert line is None or f"use {foreign_gb} GB of this GPU" in line
