"""Votes on the replies of two served models: sums by thread and model, and their interval."""

import json
from pathlib import PurePosixPath

import numpy as np
import pytest

from finetune.evaluate.bootstrap import Comparison, compare_independent
from finetune.evaluate.votes import ModelName, find_hub_id, list_models, sum_votes

pytestmark = pytest.mark.unit

STABLE, TUNED = ModelName("base", "0a"), ModelName("best", "1f")


def _line(thread: str, model: ModelName, *votes: object) -> bytes:
    names = {"team": "T1", "channel": "C1", "thread_ts": thread}
    return json.dumps(names | model._asdict() | {"votes": votes}).encode()


UP, DOWN, RAN = {"opinion": "up"}, {"opinion": "down"}, {"opinion": None, "ran": True}


def test_votes_are_summed_by_model_and_thread() -> None:
    """Another revision is another model; what is no exported reply counts as nothing."""
    lines = [
        _line("1.0", TUNED, UP, RAN, DOWN),
        _line("1.0", TUNED, UP),
        _line("2.0", TUNED, DOWN, {}, "up", None),
        _line("1.0", STABLE, DOWN),
        *(b"{", b"[]", b"[" * 100_000, b'{"votes": 1}', None),
    ]

    found = {name: sums.tolist() for name, sums in sum_votes(lines).items()}

    assert found == {TUNED: [[3, 4], [0, 1]], STABLE: [[0, 1]]}


def test_models_with_votes_are_listed() -> None:
    """The one with the most votes comes first; control characters are escaped."""
    votes = sum_votes([_line("1.0", ModelName("a\x1b", "x"), UP), _line("1.0", STABLE, UP, UP)])

    assert list_models(votes) == "'base' at '0a' (2 votes), 'a\\x1b' at 'x' (1 votes)"
    assert list_models({}) == "none"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/c/models--HuggingFaceH4--starchat-beta/snapshots/b1bc", "HuggingFaceH4/starchat-beta"),
        ("/c/models--gpt2/snapshots/b1bc", "gpt2"),
        ("/c/models--a--b/refs/b1bc", None),
        ("/c/starchat-beta/snapshots/b1bc", None),
        ("best", None),
    ],
)
def test_hub_id_is_found_by_the_path(path: str, name: str | None) -> None:
    """A worker that serves the model by its id names it so."""
    assert find_hub_id(PurePosixPath(path)) == name


def test_interval_of_different_threads() -> None:
    """Nineteen of 20 differ from 10 of 20; 11 of 20 do not, and 15 threads are too few."""

    def draw(approved: int, threads: int = 20) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.array([[number < approved, 1] for number in range(threads)], np.float64)

    clear = compare_independent(draw(10), draw(19), 1)

    assert (clear.first, clear.second) == (0.5, 0.95)
    assert clear.interval is not None
    assert clear.interval.excludes_zero
    assert clear.interval.low < 0.45 < clear.interval.high
    unclear = compare_independent(draw(10), draw(11), 1)
    assert unclear.interval is not None
    assert not unclear.interval.excludes_zero
    assert compare_independent(draw(10), draw(5, 15), 1) == Comparison(0.5, 5 / 15, None)
    assert compare_independent(np.zeros((0, 2)), draw(5), 1) == Comparison(None, 0.25, None)
