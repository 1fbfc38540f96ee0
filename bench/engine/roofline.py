"""The physical limit of generation: all weights and all keys and values are read once a token."""

from typing import Any, Final

BANDWIDTH_BYTES_PER_SECOND: Final = {
    "H200": 4.8e12,
    "H100 NVL": 3.9e12,
    "H100": 3.35e12,
    "A100": 2.04e12,
    "L40S": 0.864e12,
    "RTX 4090": 1.008e12,
    "A10G": 0.6e12,
}
"""Bytes a second that a card's memory gives, by a part of its name; from the data sheets."""


def count_weight_bytes(config: Any, itemsize: int) -> int:
    """
    Return the bytes of all weights that a step reads, for a GPTBigCode.

    Per layer: the attention's two linear layers, those of the feed-forward network, two norms.
    Then the last norm and the head, whose weights are also the table of embeddings; the tables'
    few rows that a step looks up are left out.
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
    """Return the bytes of one position's keys and values in all layers."""
    kv_size: int = config.n_embd // config.n_head if config.multi_query else config.n_embd
    num_layers: int = config.n_layer
    return itemsize * 2 * kv_size * num_layers


def compute_throughput_limit(
    config: Any, itemsize: int, load: tuple[int, int], bandwidth: float
) -> float:
    """
    Return the most tokens a second at a load of (requests, positions that each holds).

    A step reads the weights once for all requests and each request's own keys and values:
    requests / ((weight bytes + requests x positions x position bytes) / bandwidth).
    """
    requests, kv_tokens = load
    bytes_read = count_weight_bytes(
        config, itemsize
    ) + requests * kv_tokens * count_kv_bytes_per_token(config, itemsize)
    return requests * bandwidth / bytes_read


def find_bandwidth(card: str) -> float | None:
    """Return what the data sheet of a card says, given its name as the driver tells it."""
    return next((speed for name, speed in BANDWIDTH_BYTES_PER_SECOND.items() if name in card), None)
