"""When steps are recorded, when that is given up, and that neither costs anybody a reply."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from testing.in_process_engine import GREEDY, Reply, generated, mixed, run
from testing.traced_cuda_graphs import Recorder, Repeat, Traced, recorded
from worker.engine import FinishReason, Request, Sampling
from worker.engine.loading.loader import Loaded

Models = Callable[[str], Loaded]

MOST = 4
"""Tokens drafted for a request in a step."""


def test_each_shape_is_recorded_once_and_then_repeated(models: Models) -> None:
    """One request from position 1 to 255 is one lane of one length."""
    ours = recorded(models("bigcode"))

    run(ours.batching, [Request("a", (5,), Sampling(250, temperature=0))])

    assert (ours.recorder.recorded, ours.recorder.repeated) == (1, 250)


def test_all_shapes_are_recorded_before_the_first_request(models: Models) -> None:
    """Then none is while requests run, and they say what they say otherwise."""
    ours = recorded(models("bigcode"), slots=7, drafted=MOST)
    with torch.inference_mode():
        for record in ours.graphs.warm():
            record()
    count = ours.recorder.recorded
    request = Request("a", tuple(range(9)), Sampling(200, temperature=0))

    replies = run(ours.batching, [request, replace(request, id="b")])

    assert count == len(ours.graphs.buckets.all()) == len(ours.graphs._repeats) == 6
    assert ours.recorder.recorded == count
    assert replies["b"].ids == generated(models("bigcode").network, request)


def test_a_rebuilt_slot_is_never_reached_by_an_old_recording(models: Models) -> None:
    """After a failed step the memory is another one: everything is recorded anew."""
    model = models("bigcode")
    request = Request("a", tuple(range(20, 40)), GREEDY)
    expected = Reply(generated(model.network, request), FinishReason.LENGTH)
    ours = recorded(model, recorder=Traced())
    assert run(ours.batching, [request])["a"] == expected
    assert ours.recorder.sets == 1

    ours.slots.rebuild()

    assert run(ours.batching, [request])["a"] == expected
    assert (ours.recorder.sets, ours.recorder.recorded) == (2, 2)


class Moody(Recorder):
    """A recorder whose driver refuses."""

    def record(self, step: Repeat) -> Repeat:
        """Raise what a driver raises."""
        raise RuntimeError("operation not permitted when stream is capturing")


class Forgetful(Recorder):
    """A recorder that repeats what the first step was, whatever has been fed since."""

    def record(self, step: Repeat) -> Repeat:
        """Record a step that never happens again."""
        step()
        return lambda: None


@pytest.mark.parametrize("recorder", [Moody(), Forgetful()], ids=["refuses", "says another thing"])
def test_what_cannot_be_recorded_runs_eagerly(models: Models, recorder: Recorder) -> None:
    """One line says so; every reply is what it would have been."""
    model = models("bigcode")
    requests = mixed(model.about.vocabulary, model.about.positions, 6, stop=(0, 7))
    ours = recorded(model, recorder=recorder)

    replies = run(ours.batching, requests)

    assert [replies[r.id].ids for r in requests] == [generated(model.network, r) for r in requests]
    assert ours.graphs.off
    [line] = ours.told
    assert line.startswith("steps are not recorded: ")


class Uneven(Recorder):
    """A recorder one of whose recordings is slow, or cannot be made."""

    def __init__(self, bad: int, *, slow: bool) -> None:
        super().__init__()
        self.bad, self.slow = bad, slow
        self.waited = 0

    def record(self, step: Repeat) -> Repeat:
        """Record a step; the n-th one is the bad one."""
        repeat = super().record(step)
        if self.recorded - 1 != self.bad:
            return repeat
        if not self.slow:
            raise RuntimeError("operation not permitted when stream is capturing")

        def slowly() -> None:
            self.waited += 1
            time.sleep(0.02)
            repeat()

        return slowly


@pytest.mark.parametrize("bad", [0, 1])
@pytest.mark.parametrize("slow", [True, False])
def test_of_two_ways_to_attend_the_faster_one_is_kept(
    models: Models, bad: int, *, slow: bool
) -> None:
    """Whichever it is; and where only one can be recorded, that one."""
    model = models("long")
    recorder = Uneven(bad, slow=slow)
    ours = recorded(model, slots=1, budget=1100, recorder=recorder)
    request = Request("a", tuple(n % 400 for n in range(1050)), Sampling(2, temperature=0))
    first = run(ours.batching, [request])
    waited = recorder.waited

    assert run(ours.batching, [request]) == first
    assert first["a"].ids == generated(model.network, request)
    assert (recorder.recorded, recorder.waited) == (2, waited)
    assert bool(waited) == slow
    assert not ours.told


def test_a_request_that_gives_nan_turns_nothing_off(models: Models) -> None:
    """Alone in the first step of a shape, or beside a sound one; its neighbour is untouched."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[13].clone()
    good = Request("good", tuple(range(20, 40)), GREEDY)
    expected = generated(model.network, good)
    ours = recorded(model, slots=2)
    try:
        table[13] = torch.nan
        alone = run(ours.batching, [Request("bad", (13,), GREEDY)])
        assert not ours.graphs._repeats, "there was nothing to compare it with"
        beside = run(ours.batching, [good, Request("bad", (13,), GREEDY)])
    finally:
        table[13] = kept
    later = run(ours.batching, [good])

    assert alone["bad"].failure == beside["bad"].failure == "nothing to choose from"
    assert beside["good"].ids == later["good"].ids == expected
    assert not ours.graphs.off


class Stumbling(nn.Module):
    """A model that fails in its n-th call over fixed memory."""

    def __init__(self, network: nn.Module, calls: int) -> None:
        super().__init__()
        self.network = network
        self.calls = calls

    def forward(self, **given: Any) -> Any:
        """Run the model, or fail."""
        if hasattr(given["packed"], "bucket"):
            self.calls -= 1
            if self.calls == 0:
                raise RuntimeError("broken")
        return self.network(**given)


def test_a_recorded_step_that_fails_costs_nobody_a_reply(models: Models) -> None:
    """The slots are rebuilt, everybody is read again, and recordings are made anew."""
    model = models("bigcode")
    requests = [Request(str(n), tuple(range(20 + n, 50 + n)), GREEDY) for n in range(3)]
    ours = recorded(model, network=Stumbling(model.network, 9))

    replies = run(ours.batching, requests, troubled=True)

    for request in requests:
        assert replies[request.id].ids == generated(model.network, request)
    assert ours.recorder.sets == 2
    assert not ours.graphs.off
