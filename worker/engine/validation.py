"""
Request validation: both the parent and the child check a request before it waits. Torch-free.

A prompt is never truncated here: prompt plus reply fit the model, or the request is refused.
"""

import math
from typing import Final

from worker.engine import Request, SamplingParams

SEED_BITS: Final = 64


def validate_request(request: Request, max_positions: int, vocab_size: int) -> str | None:
    """Return one line that says why a request can never run on a model, or `None` if it can."""
    num_positions = len(request.prompt) + request.sampling.max_new_tokens
    if not request.prompt:
        return "the prompt is empty"
    if num_positions > max_positions:
        return f"prompt and reply need {num_positions} positions, the model has {max_positions}"
    if not all(0 <= token < vocab_size for token in request.prompt):
        return f"the prompt holds an id outside 0 to {vocab_size - 1}"
    return _validate_sampling(request.sampling)


def _validate_sampling(sampling: SamplingParams) -> str | None:
    if sampling.max_new_tokens < 1:
        return "max_new_tokens must be at least 1"
    if not (math.isfinite(sampling.temperature) and sampling.temperature >= 0):
        return "temperature must be 0 or more"
    if sampling.top_k < 0:
        return "top_k must be 0 (off) or more"
    if not 0 < sampling.top_p <= 1:
        return "top_p must be above 0 and at most 1"
    if not 0 <= sampling.seed < 2**SEED_BITS:
        return f"seed must be 0 or more and below 2**{SEED_BITS}"
    return None
