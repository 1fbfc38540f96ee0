"""
Loads a checkpoint by transformers and checks that our attention serves it.

Safetensors only, no code from the checkpoint. Everything that can be wrong is a `LoadError` of one
line.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from worker.engine import LoadError, Model
from worker.engine.attention.kv_cache import Slots
from worker.engine.attention.verify import probe
from worker.engine.loading.cpu_linear import prepack
from worker.engine.loading.gguf import converted
from worker.engine.loading.memory import free_bytes, recorded, room, shelf
from worker.engine.loading.progress import Progress, watched
from worker.engine.loading.quantization import quantization, quantized
from worker.engine.loading.spared import spare
from worker.engine.options import Options, cache_directory

BUDGET: Final = {"cuda": 512, "cpu": 256}
"""Tokens in one step where the options do not say."""


SPARE: Final = 4
"""On a CPU, a second copy of the weights may take this part of the free memory."""

DTYPES: Final = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to step: its weights, its slots and what the parent needs to know."""

    network: nn.Module
    slots: Slots
    about: Model
    budget: int
    shelf: int


def load(found: Path, options: Options, progress: Progress) -> Loaded:
    """Load the directory or `.gguf` file that was found for the options. Raises `LoadError`."""
    directory = _plain(found, options, progress)
    config = _config(directory)
    device = _device(options.device)
    dtype = _dtype(options.dtype, device)
    smaller = quantization(options.quantize, dtype)
    needed = _needed(directory, config, dtype, options.quantize)
    _check_size(needed, device, options.quantize or _named(dtype))
    # Converting has taken most of the time where there was something to convert.
    first = 0.1 if directory == found else 0.8
    with watched(progress, "weights", (first, 0.9), device, needed):
        network = _weights(directory, device, dtype, smaller)
    progress("checking", 0.9)
    layers = probe(network)
    positions = _positions(network.config, options)
    aside = recorded(options, layers, network.config, positions)
    count, positions = room(options, layers, positions, aside)
    about = Model(
        name=_name(options.model, found),
        revision=options.revision,
        directory=directory.absolute(),
        positions=positions,
        vocabulary=min(network.config.vocab_size, len(network.get_input_embeddings().weight)),
        eos=_eos(network),
        device=str(device),
        dtype=options.quantize or _named(dtype),
        slots=count,
    )
    budget = options.chunk or BUDGET[device.type]
    return Loaded(network, Slots(layers, count, positions), about, budget, shelf(options))


def _name(model: str, found: Path) -> str:
    """Return what readers may see: the hub id, or a path's last part without its folders."""
    return (
        found.resolve().name.removesuffix(".gguf") if Path(model).expanduser().exists() else model
    )


def _plain(found: Path, options: Options, progress: Progress) -> Path:
    """Return the plain checkpoint directory of what was found."""
    if found.suffix != ".gguf":
        return found
    cache = Path(options.converted) if options.converted else cache_directory()
    try:
        return converted(found, cache, progress)
    # The readers of the file raise whatever they stumble over.
    except Exception as error:
        raise LoadError(f"{found} cannot be converted ({type(error).__name__})") from error


def _config(directory: Path) -> Any:
    """Read and check what kind of model lies in a directory."""
    try:
        raw = json.loads((directory / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise LoadError(f"{directory} has no readable config.json") from None
    if not list(directory.glob("*.safetensors")):
        raise LoadError(f"{directory} has no weights in safetensors format")
    if not (directory / "tokenizer.json").is_file():
        raise LoadError(f"{directory} has no tokenizer.json")
    if raw.get("model_type") not in CONFIG_MAPPING:
        reason = "brings its own code, which is never run" if "auto_map" in raw else "is unknown"
        raise LoadError(f"the model type '{raw.get('model_type')}' {reason}")
    try:
        return AutoConfig.from_pretrained(directory, trust_remote_code=False)
    # Each architecture checks its own fields in its own way.
    except Exception as error:
        raise LoadError(
            f"transformers refuses config.json in {directory} ({type(error).__name__})"
        ) from error


def _device(name: str) -> torch.device:
    """Return the one device that the model runs on; a second GPU is for a second worker."""
    try:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        device = device if name == "auto" else torch.device(name)
    except RuntimeError:
        raise LoadError(f"device must be auto, cpu or cuda, not {name}") from None
    if device.type not in BUDGET:
        raise LoadError(f"device must be auto, cpu or cuda, not {name}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise LoadError(f"device {name} was asked for and is not there")
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = DTYPES.get(name)
    if found is None:
        raise LoadError(f"dtype must be auto, float32, bfloat16 or float16, not {name}")
    return found


def _named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _needed(directory: Path, config: Any, dtype: torch.dtype, quantize: str | None) -> int:
    """Return how many bytes the weights take in `dtype`, or quantised."""
    if quantize is not None:
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
        return quantized(quantize, network, dtype)
    stored = getattr(config, "dtype", None)
    scale = dtype.itemsize / stored.itemsize if isinstance(stored, torch.dtype) else 1.0
    return int(scale * sum(file.stat().st_size for file in directory.glob("*.safetensors")))


def _check_size(needed: int, device: torch.device, form: str) -> None:
    """Refuse what cannot fit, before memory runs out half-way."""
    free = free_bytes(device)
    if needed > free:
        raise LoadError(
            f"the weights need {needed / 1e9:.1f} GB in {form} and only {free / 1e9:.1f} GB are"
            f" free on {device}; STARCHAT_QUANTIZATION=int8 or nf4 makes them smaller"
        )


def _weights(directory: Path, device: torch.device, dtype: torch.dtype, smaller: Any) -> Any:
    # accelerate places the weights and may use no other device: a step that crosses devices, or
    # reads layers from a disk, is slower than a second worker.
    place = "cpu" if device.type == "cpu" else (device.index or 0)
    try:
        network = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=dtype,
            device_map="auto",
            max_memory={place: free_bytes(device)},
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            quantization_config=smaller,
        )
    # safetensors raises an error of its own straight from Exception.
    except Exception as error:
        raise LoadError(f"transformers cannot load {directory} ({type(error).__name__})") from error
    check_placement(network, device)
    network.train(mode=False)
    network.requires_grad_(requires_grad=False)
    if smaller is None:
        prepack(network, free_bytes(device) // SPARE)
    if device.type == "cpu":
        spare(network)
    return network


def check_placement(network: nn.Module, device: torch.device) -> None:
    """Raise `LoadError` if accelerate left weights elsewhere, for want of room on the device."""
    if any(weights.device.type != device.type for weights in network.parameters()):
        raise LoadError(f"the weights do not fit on {device} beside what else is there")


def _positions(config: Any, options: Options) -> int:
    longest = getattr(config, "max_position_embeddings", None)
    if not isinstance(longest, int):
        raise LoadError("the model does not say how many positions it has")
    return min(longest, options.positions or longest)


def _eos(network: Any) -> tuple[int, ...]:
    found = network.generation_config.eos_token_id
    if found is None:
        found = network.config.eos_token_id
    if found is None:
        return ()
    return (found,) if isinstance(found, int) else tuple(found)
