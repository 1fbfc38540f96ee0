"""Request validation: a request that can never run is refused, without quoting its prompt."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, SamplingParams
from worker.engine.validation import validate_request

VALID_REQUEST = Request("a", (1, 2, 3), SamplingParams())


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (replace(VALID_REQUEST, prompt=()), "empty"),
        (replace(VALID_REQUEST, prompt=(1,) * 300), "positions"),
        (replace(VALID_REQUEST, sampling=SamplingParams(max_new_tokens=498)), "positions"),
        (replace(VALID_REQUEST, prompt=(1, 100)), "outside"),
        (replace(VALID_REQUEST, prompt=(1, -1)), "outside"),
        (replace(VALID_REQUEST, sampling=SamplingParams(max_new_tokens=0)), "max_new_tokens"),
        (replace(VALID_REQUEST, sampling=SamplingParams(temperature=-0.1)), "temperature"),
        (replace(VALID_REQUEST, sampling=SamplingParams(temperature=math.nan)), "temperature"),
        (replace(VALID_REQUEST, sampling=SamplingParams(temperature=math.inf)), "temperature"),
        (replace(VALID_REQUEST, sampling=SamplingParams(top_k=-1)), "top_k"),
        (replace(VALID_REQUEST, sampling=SamplingParams(top_p=0)), "top_p"),
        (replace(VALID_REQUEST, sampling=SamplingParams(top_p=1.1)), "top_p"),
        (replace(VALID_REQUEST, sampling=SamplingParams(seed=-1)), "seed"),
        (replace(VALID_REQUEST, sampling=SamplingParams(seed=2**64)), "seed"),
    ],
)
def test_invalid_request_is_refused(request_: Request, word: str) -> None:
    """The reason names the wrong value."""
    line = validate_request(request_, max_positions=500, vocab_size=100)

    assert line is not None
    assert word in line


@given(st.integers(1, 300), st.integers(1, 300))
def test_prompt_and_reply_must_fit_together(length: int, new: int) -> None:
    """A request runs exactly if its last token has a position."""
    request = Request("a", (0,) * length, SamplingParams(max_new_tokens=new))

    assert (validate_request(request, max_positions=256, vocab_size=1) is None) == (
        length + new <= 256
    )
