"""Merging of a LoRA adapter into the weights of its base model, by peft."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from worker.engine import LoadError
from worker.engine.loading.adapter import WEIGHTS_FILE, Adapter

PREFIX: Final = "base_model.model."
"""What peft puts before the names of a network's layers."""


def merge_adapter(network: Any, adapter: Adapter) -> Any:
    """
    Return the network with an adapter's changes added to its weights.

    Each changed weight of `[out, in]` becomes `W + alpha / r * B @ A`, with A of `[r, in]` and B of
    `[out, r]`. peft computes the change in float32 on a CPU. Raises `LoadError` if the adapter does
    not fit the network, or makes a weight infinite.
    """
    try:
        # Only workers that serve an adapter need the package.
        from peft import LoraConfig, get_peft_model  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415
    except ImportError:
        raise LoadError("an adapter needs the package peft, which is not installed") from None
    # peft, safetensors and torch raise errors of any class.
    try:
        weights = load_file(adapter.directory / WEIGHTS_FILE)
        tuned = get_peft_model(network, LoraConfig(**_read_options(adapter, weights)))
        named = {name.replace(".weight", ".default.weight"): weights[name] for name in weights}
        tied = _find_tied_layer(tuned)
        is_fitting = named.keys() == {name for name in tuned.state_dict() if ".lora_" in name}
        if is_fitting and tied is None:
            tuned.load_state_dict(named, strict=False)
            network = tuned.merge_and_unload(safe_merge=True)
    except Exception as error:
        raise LoadError(
            f"{adapter.directory} can't be merged into {adapter.base} ({type(error).__name__})"
        ) from error
    if tied is not None:
        raise LoadError(f"{adapter.directory} changes {tied}, whose weights another layer shares")
    if not is_fitting:
        raise LoadError(f"{adapter.directory} has weights that {adapter.base} has no place for")
    return network


def _find_tied_layer(tuned: Any) -> str | None:
    """Return a layer with an adapter that shares its weights, as input and output embeddings do."""
    owners = Counter(id(weights) for _, weights in tuned.named_parameters(remove_duplicate=False))
    for name, layer in tuned.named_modules():
        base = getattr(layer, "base_layer", None)
        if base is not None and owners[id(base.weight)] > 1:
            return str(name).removeprefix(PREFIX)
    return None


def _read_options(adapter: Adapter, weights: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the options of peft's `LoraConfig`: checked fields, and the layers that have weights.

    peft's own reader of the file would also import a module that the file names.
    """
    config = adapter.config
    return {
        **config.model_dump(
            include={"use_rslora", "fan_in_fan_out", "rank_pattern", "alpha_pattern"}
        ),
        "r": config.rank,
        "lora_alpha": config.alpha,
        "target_modules": sorted(
            {name.removeprefix(PREFIX).partition(".lora_")[0] for name in weights}
        ),
    }
