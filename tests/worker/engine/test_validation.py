"""What can never run is refused with a line that says why and repeats nothing of the prompt."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import Request, Sampling
from worker.engine.validation import refusal

GOOD = Request("a", (1, 2, 3), Sampling())


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (replace(GOOD, prompt=()), "empty"),
        (replace(GOOD, prompt=(1,) * 300), "positions"),
        (replace(GOOD, sampling=Sampling(max_new_tokens=498)), "positions"),
        (replace(GOOD, prompt=(1, 100)), "outside"),
        (replace(GOOD, prompt=(1, -1)), "outside"),
        (replace(GOOD, sampling=Sampling(max_new_tokens=0)), "max_new_tokens"),
        (replace(GOOD, sampling=Sampling(temperature=-0.1)), "temperature"),
        (replace(GOOD, sampling=Sampling(temperature=math.nan)), "temperature"),
        (replace(GOOD, sampling=Sampling(temperature=math.inf)), "temperature"),
        (replace(GOOD, sampling=Sampling(top_k=-1)), "top_k"),
        (replace(GOOD, sampling=Sampling(top_p=0)), "top_p"),
        (replace(GOOD, sampling=Sampling(top_p=1.1)), "top_p"),
        (replace(GOOD, sampling=Sampling(seed=-1)), "seed"),
    ],
)
def test_a_request_that_cannot_run_is_refused(request_: Request, word: str) -> None:
    """The line names what is wrong."""
    line = refusal(request_, positions=500, vocabulary=100)

    assert line is not None
    assert word in line


@given(st.integers(1, 300), st.integers(1, 300))
def test_prompt_and_reply_together_must_fit(length: int, new: int) -> None:
    """A request runs exactly when its last token has a position."""
    request = Request("a", (0,) * length, Sampling(max_new_tokens=new))

    assert (refusal(request, positions=256, vocabulary=1) is None) == (length + new <= 256)
