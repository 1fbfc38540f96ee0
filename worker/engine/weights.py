"""
Loads a checkpoint by transformers and checks that our attention serves it.

Safetensors only, no code from the checkpoint. Everything that can be wrong
is a `LoadError` of one line.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from worker.engine import LoadError, Model
from worker.engine.attend import NAME, Shapes, register
from worker.engine.gguf import converted
from worker.engine.memory import free_bytes, room
from worker.engine.options import Options, cache_directory
from worker.engine.slots import Layer, Slots

CLOSE: Final = 0.05
"""The most our attention may differ from transformers' own, as a share of the logits' size."""

Progress = Callable[[str, float], None]
"""Told of each stage of loading, with the share of the whole that is done."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model ready to step: its weights, its slots and what the parent needs to know."""

    network: nn.Module
    slots: Slots
    about: Model
    budget: int


def load(found: Path, options: Options, progress: Progress) -> Loaded:
    """Load the directory or `.gguf` file that was found for the options. Raises `LoadError`."""
    directory = _plain(found, options, progress)
    config = _config(directory)
    device = _device(options.device)
    dtype = _dtype(options.dtype, device)
    _check_size(directory, config, device, dtype)
    progress("weights", 0.3)
    network = _weights(directory, device, dtype)
    progress("checking", 0.9)
    layers = _probe(network)
    return _assemble(options, network, layers, directory)


def _plain(found: Path, options: Options, progress: Progress) -> Path:
    """Return the plain checkpoint directory of what was found."""
    if found.suffix != ".gguf":
        return found
    progress("converting", 0.1)
    cache = Path(options.converted) if options.converted else cache_directory()
    try:
        return converted(found, cache)
    except (ValueError, OSError, RuntimeError, KeyError, ImportError) as error:
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
    try:
        config = AutoConfig.from_pretrained(directory, trust_remote_code=False)
    except (ValueError, KeyError, OSError):
        reason = "brings its own code, which is never run" if "auto_map" in raw else "is unknown"
        raise LoadError(f"the model type '{raw.get('model_type')}' {reason}") from None
    return config


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise LoadError(f"device {name} was asked for and there is none")
    return torch.device(name)


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise LoadError(f"dtype must be auto, float32, bfloat16 or float16, not {name}")
    return found


def _check_size(directory: Path, config: Any, device: torch.device, dtype: torch.dtype) -> None:
    """Refuse what cannot fit, before memory runs out half-way."""
    stored = getattr(config, "dtype", None)
    scale = dtype.itemsize / stored.itemsize if isinstance(stored, torch.dtype) else 1.0
    needed = int(scale * sum(file.stat().st_size for file in directory.glob("*.safetensors")))
    free = free_bytes(device)
    if needed > free:
        raise LoadError(
            f"the weights need {needed / 1e9:.1f} GB in {str(dtype).removeprefix('torch.')} and"
            f" only {free / 1e9:.1f} GB are free on {device}"
        )


def _weights(directory: Path, device: torch.device, dtype: torch.dtype) -> nn.Module:
    register()
    try:
        network: nn.Module = AutoModelForCausalLM.from_pretrained(
            directory,
            dtype=dtype,
            device_map="auto" if device.type == "cuda" else None,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",
        )
    except (ValueError, OSError, RuntimeError, KeyError) as error:
        raise LoadError(f"transformers cannot load {directory} ({type(error).__name__})") from error
    network.eval()
    network.requires_grad_(requires_grad=False)
    return network


def _probe(network: Any) -> tuple[Layer, ...]:
    """
    Run a few tokens through transformers' attention and through ours, and compare.

    A model whose attention does more than ours (a soft cap, a bias, sinks) is refused here, not
    served wrongly; what each layer keeps of a position is learned on the way.
    """
    vocabulary = network.get_input_embeddings().weight.shape[0]
    device = network.get_input_embeddings().weight.device
    ids = (torch.arange(24, device=device) * 7919 % vocabulary).unsqueeze(0)
    at = torch.arange(24, device=device).unsqueeze(0)
    shapes = Shapes()
    with torch.inference_mode():
        expected = network(input_ids=ids, position_ids=at, use_cache=False).logits.float()
        network.set_attn_implementation(NAME)
        try:
            found = network(input_ids=ids, position_ids=at, use_cache=False, packed=shapes)
        except (TypeError, KeyError, AttributeError, RuntimeError) as error:
            raise LoadError(f"{type(network).__name__} does not run on slots") from error
    off = (found.logits.float() - expected).norm() / expected.norm()
    if not off < CLOSE or sorted(shapes.layers) != list(range(len(shapes.layers))):
        raise LoadError(f"{type(network).__name__} has an attention that the engine does not serve")
    return tuple(shapes.layers[index] for index in sorted(shapes.layers))


def _assemble(options: Options, network: Any, layers: tuple[Layer, ...], directory: Path) -> Loaded:
    config = network.config
    device = layers[0].device
    longest = getattr(config, "max_position_embeddings", None)
    if not isinstance(longest, int):
        raise LoadError(f"{directory} does not say how many positions the model has")
    positions = min(longest, options.positions or longest)
    count, positions = room(options, layers, positions)
    about = Model(
        name=_name(options.model),
        revision=options.revision,
        directory=directory.absolute(),
        positions=positions,
        vocabulary=min(config.vocab_size, network.get_input_embeddings().weight.shape[0]),
        eos=_eos(network),
        device=str(device),
        dtype=str(network.dtype).removeprefix("torch."),
        slots=count,
    )
    budget = options.chunk or (512 if device.type == "cuda" else 128)
    return Loaded(network, Slots(layers, count, positions), about, budget)


def _name(model: str) -> str:
    """Return what readers may see: the hub id, or a path's last part without its folders."""
    path = Path(model)
    if not path.exists():
        return model
    return path.resolve().name.removesuffix(".gguf")


def _eos(network: Any) -> tuple[int, ...]:
    found = network.generation_config.eos_token_id
    if found is None:
        found = network.config.eos_token_id
    if found is None:
        return ()
    return (found,) if isinstance(found, int) else tuple(found)
