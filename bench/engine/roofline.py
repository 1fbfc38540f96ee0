"""The physical limit of generation: all weights and all keys and values are read once a token."""

from typing import Any, Final

BANDWIDTH: Final = {
    "H200": 4.8e12,
    "H100 NVL": 3.9e12,
    "H100": 3.35e12,
    "A100": 2.04e12,
    "L40S": 0.864e12,
    "RTX 4090": 1.008e12,
    "A10G": 0.6e12,
}
"""Bytes a second that a card's memory gives, by a part of its name; from the data sheets."""


def weight_bytes(config: Any, itemsize: int) -> int:
    """
    Return the bytes of all weights that a step reads, for a GPTBigCode.

    Per layer: the attention's two linear layers, those of the feed-forward network, two norms.
    Then the last norm and the head, whose weights are also the table of embeddings; the tables'
    few rows that a step looks up are left out.
    """
    wide = config.n_embd
    inner = config.n_inner or 4 * wide
    keys = 2 * (wide // config.n_head if config.multi_query else wide)
    layer = (wide + 1) * (wide + keys) + (wide + 1) * wide
    layer += (wide + 1) * inner + (inner + 1) * wide + 4 * wide
    weights: int = config.n_layer * layer + 2 * wide + config.vocab_size * wide
    return itemsize * weights


def position_bytes(config: Any, itemsize: int) -> int:
    """Return the bytes of one position's keys and values in all layers."""
    wide: int = config.n_embd // config.n_head if config.multi_query else config.n_embd
    layers: int = config.n_layer
    return itemsize * 2 * wide * layers


def limit(config: Any, itemsize: int, load: tuple[int, int], bandwidth: float) -> float:
    """
    Return the most tokens a second at a load of (requests, positions that each holds).

    A step reads the weights once for all requests and each request's own keys and values:
    requests / ((weight bytes + requests x positions x position bytes) / bandwidth).
    """
    requests, positions = load
    moved = weight_bytes(config, itemsize) + requests * positions * position_bytes(config, itemsize)
    return requests * bandwidth / moved


def bandwidth(card: str) -> float | None:
    """Return what the data sheet of a card says, given its name as the driver tells it."""
    return next((speed for name, speed in BANDWIDTH.items() if name in card), None)
