"""Roofline model of decoding (Williams et al., 2009): a step reads all weights and KV caches."""

from typing import Any, Final

BANDWIDTH_BYTES_PER_SECOND: Final = {
    "GH200 480GB": 4.0e12,
    "H200": 4.8e12,
    "H100 NVL": 3.9e12,
    "H100 PCIe": 2.0e12,
    "H100": 3.35e12,
    "A100-SXM4-40GB": 1.56e12,
    "A100-PCIE-40GB": 1.56e12,
    "A100": 2.04e12,
    "L40S": 0.864e12,
    "RTX 4090": 1.008e12,
    "A10G": 0.6e12,
}
"""
Memory bandwidth in bytes per second by a part of the GPU's name, from the data sheets.

The first name that fits counts.
"""


def count_weight_bytes(config: Any, itemsize: int) -> int:
    """
    Return the bytes of all weights that a step of a GPTBigCode reads.

    Per layer: two linear layers of the attention, two of the feed-forward network, two norms.
    Besides: the last norm and the head, which shares its weights with the token embeddings.
    Ignores the few embedding rows that a step looks up.
    """
    hidden_size = config.n_embd
    intermediate_size = config.n_inner or 4 * hidden_size
    kv_size = 2 * (hidden_size // config.n_head if config.multi_query else hidden_size)
    layer_weights = (hidden_size + 1) * (hidden_size + kv_size) + (hidden_size + 1) * hidden_size
    layer_weights += (
        (hidden_size + 1) * intermediate_size
        + (intermediate_size + 1) * hidden_size
        + 4 * hidden_size
    )
    weights: int = (
        config.n_layer * layer_weights + 2 * hidden_size + config.vocab_size * hidden_size
    )
    return itemsize * weights


def count_kv_bytes_per_token(config: Any, itemsize: int) -> int:
    """Return the bytes of one token's keys and values in all layers."""
    kv_size: int = config.n_embd // config.n_head if config.multi_query else config.n_embd
    num_layers: int = config.n_layer
    return itemsize * 2 * kv_size * num_layers


def compute_throughput_limit(
    config: Any, itemsize: int, load: tuple[int, int], bandwidth: float
) -> float:
    """
    Return the maximum tokens a second at a load of (requests, KV cache tokens of each).

    A step reads the weights once for all requests, and each request's keys and values:
    requests / ((weight bytes + requests x tokens x KV bytes per token) / bandwidth).
    """
    requests, kv_tokens = load
    bytes_read = count_weight_bytes(
        config, itemsize
    ) + requests * kv_tokens * count_kv_bytes_per_token(config, itemsize)
    return requests * bandwidth / bytes_read


def find_bandwidth(gpu_name: str) -> float | None:
    """Return a GPU's bandwidth in bytes per second by the driver's name for it, or `None`."""
    if " MIG " in gpu_name:
        return None  # a slice has a part of the bandwidth
    return next(
        (bandwidth for name, bandwidth in BANDWIDTH_BYTES_PER_SECOND.items() if name in gpu_name),
        None,
    )
