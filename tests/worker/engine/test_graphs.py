"""
Steps over fixed memory say what eager ones say, whoever runs beside them and in whatever slot.

Here a step is recorded by running it again and again on the same memory; what a GPU adds is
`worker.engine.capture` alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import nn

from tests.support.running import GREEDY, Fresh, Reply, again, generated, mixed, note, run
from worker.engine import FinishReason, Request, Sampling
from worker.engine.batching import Batching
from worker.engine.buckets import Bucket, Buckets
from worker.engine.graphs import Graphs
from worker.engine.schedule import Live, Work
from worker.engine.slots import Slots
from worker.engine.weights import Loaded

Models = Callable[[str], Loaded]
Repeat = Callable[[], None]

MOST = 4
"""Tokens drafted for a request in a step."""


@dataclass
class Recorder:
    """Runs a step whenever it is to be repeated; counts what is recorded and what is repeated."""

    sets: int = 0
    recorded: int = 0
    repeated: int = 0

    def begin(self) -> Callable[[Repeat], Repeat]:
        """Begin a new set of recordings."""
        self.sets += 1
        return self.record

    def record(self, step: Repeat) -> Repeat:
        """Run a step once, as one that is to be recorded is, and return what repeats it."""
        self.recorded += 1
        again(step)()

        def repeat() -> None:
            self.repeated += 1
            step()

        return repeat


@dataclass
class Engine:
    """An engine with recorded steps, and what can be asked of it."""

    batching: Batching
    graphs: Graphs
    slots: Slots
    recorder: Recorder
    told: list[str] = field(default_factory=list)


def engine(
    model: Loaded,
    *,
    slots: int = 4,
    budget: int = 64,
    drafted: int = 0,
    network: nn.Module | None = None,
    recorder: Recorder | None = None,
) -> Engine:
    """Make an engine that takes every step that it can over fixed memory."""
    memory = Slots(model.slots.layers, slots, model.about.positions)
    network = network or model.network
    vocabulary = model.about.vocabulary
    batching = Batching(network, memory, vocabulary=vocabulary, budget=budget, drafted=drafted)
    buckets = Buckets(slots, memory.positions, drafted)
    told: list[str] = []
    recorder = recorder or Recorder()
    graphs = Graphs(network, memory, buckets, recorder.begin, told.append)
    batching.forward.recorded = graphs
    batching.schedule.crowd = buckets.crowd
    return Engine(batching, graphs, memory, recorder, told)


@pytest.mark.parametrize("kind", ["bigcode", "bigcode-heads", "llama", "mistral"])
@pytest.mark.parametrize(("slots", "budget", "count"), [(1, 300, 3), (7, 300, 12), (13, 90, 18)])
def test_recorded_steps_say_what_eager_ones_say(
    models: Models, fresh: Fresh, kind: str, slots: int, budget: int, count: int
) -> None:
    """Prompts of 1 to 255 tokens, greedy, in lanes of 1, 2, 4 and all slots."""
    model = models(kind)
    requests = mixed(model.about.vocabulary, model.about.positions, count, stop=(0, 7))
    ours = engine(model, slots=slots, budget=budget)

    assert run(ours.batching, requests) == run(fresh(kind, slots=slots, budget=budget), requests)
    assert ours.recorder.repeated > 20
    assert not ours.told


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
@pytest.mark.parametrize("slots", [3, 7])
def test_recorded_steps_with_drafts_say_what_eager_ones_say(
    models: Models, fresh: Fresh, kind: str, slots: int
) -> None:
    """Greedy and sampled requests whose prompts go round; whoever may draft does."""
    vocabulary = models(kind).about.vocabulary
    requests = [
        Request(
            str(number),
            tuple((place % (3 + number)) * 11 % vocabulary for place in range(20 + 10 * number)),
            Sampling(70, temperature=(0, 0.1, 0.9)[number % 3], seed=number),
        )
        for number in range(6)
    ]
    expected = run(fresh(kind, slots=slots), requests)
    ours = engine(models(kind), slots=slots, drafted=MOST)
    ours.batching.schedule.ridge = 1e6

    assert run(ours.batching, requests) == expected
    assert any(bucket.width == 1 + MOST for bucket in ours.graphs._repeats)
    assert not ours.told


def step(lengths: dict[int, int], drafted: int, vocabulary: int) -> list[Work]:
    """Return a step in which the slots grow from so many tokens each, in the order given."""
    works = []
    for slot, length in lengths.items():
        tokens = [(slot * 31 + at * 7) % vocabulary for at in range(length + 1)]
        draft = tuple((slot + at) % vocabulary for at in range(drafted))
        live = Live(Request(str(slot), tuple(tokens), GREEDY), tokens, age=0, slot=slot)
        works.append(Work(live, length, 1, draft))
    return works


@pytest.mark.parametrize("kind", ["bigcode", "llama", "mistral"])
@pytest.mark.parametrize("drafted", [0, MOST])
@pytest.mark.parametrize(
    "lengths",
    [
        {5: 0},
        {0: 255 - MOST},
        {6: 3, 0: 200},
        {4: 99, 1: 0, 3: 40},
        {6: 1, 5: 2, 4: 3, 3: 240, 2: 5, 1: 6, 0: 7},
    ],
    ids=["first token", "last position", "two lanes", "any lanes", "all slots"],
)
def test_a_step_touches_nothing_but_the_positions_that_it_feeds(
    models: Models, kind: str, drafted: int, lengths: dict[int, int]
) -> None:
    """Logits and keys are those of the eager step; all else in all slots stays, to the bit."""
    model = models(kind)
    ours = engine(model, slots=7, drafted=MOST)
    works = step(lengths, drafted, model.about.vocabulary)
    dice = torch.Generator().manual_seed(1)
    for index in range(len(ours.slots.layers)):
        ours.slots.layer(index).normal_(generator=dice)
    before = [ours.slots.layer(index).clone() for index in range(len(ours.slots.layers))]
    with torch.inference_mode():
        expected = ours.batching.forward.plain(works).clone()
        eager = [ours.slots.layer(index).clone() for index in range(len(before))]
        for index, block in enumerate(before):
            ours.slots.layer(index).copy_(block)
        ours.graphs(works)
        for index, block in enumerate(before):
            ours.slots.layer(index).copy_(block)
        found = ours.graphs(works)

    assert found is not None
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert ours.recorder.repeated == 2
    for index, block in enumerate(before):
        fed = torch.zeros(block.shape, dtype=torch.bool)
        for slot, length in lengths.items():
            fed[:, slot, :, length : length + 1 + drafted] = True
        now = ours.slots.layer(index)
        assert torch.equal(now[~fed], block[~fed])
        assert torch.allclose(now, eager[index], atol=1e-4)


def test_starchats_last_positions_and_the_edge_of_a_length_are_right(models: Models) -> None:
    """48 heads on one key-value head, up to position 8,191, with drafts over an edge."""
    model = models("starchat-long")
    ours = engine(model, slots=7, drafted=MOST)
    works = step({6: 8187, 0: 4094}, MOST, 1000)
    dice = torch.Generator().manual_seed(1)
    ours.slots.layer(0)[:, [0, 6]] = torch.randn(2, 2, 1, 8192, 4, generator=dice)
    with torch.inference_mode():
        expected = ours.batching.forward.plain(works)
        found = ours.graphs(works)

    assert found is not None
    assert list(ours.graphs._repeats) == [Bucket(2, 1 + MOST, 8192, whole=False)]
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


def test_what_idle_slots_keep_of_their_threads_survives(models: Models, fresh: Fresh) -> None:
    """A thread goes on from its slot after others have grown beside it in recorded steps."""
    ours = engine(models("bigcode"), slots=3)
    thread = Request("thread", tuple(range(60)), GREEDY, scope="T1")
    [said] = run(ours.batching, [thread]).values()
    others = [Request(str(n), tuple(range(n, 90 + n)), GREEDY, scope="T2") for n in range(2)]
    run(ours.batching, others)
    following = replace(thread, id="next", prompt=(*thread.prompt, *said.ids, 1, 2, 3))
    assert ours.batching.add(following) is None
    ours.batching.admit()

    assert ours.batching.schedule.running["next"].held == len(thread.prompt) + len(said.ids) - 1
    replies = {"next": Reply()}
    while ours.batching.busy:
        note(replies, ours.batching.step())
    assert replies == run(fresh(), [replace(following, scope="")])


def test_each_shape_is_recorded_once_and_then_repeated(models: Models) -> None:
    """One request from position 1 to 255 is one lane of one length."""
    ours = engine(models("bigcode"))

    run(ours.batching, [Request("a", (5,), Sampling(250, temperature=0))])

    assert (ours.recorder.recorded, ours.recorder.repeated) == (1, 250)


def test_all_shapes_are_recorded_before_the_first_request(models: Models) -> None:
    """Then none is while requests run, and they say what they say otherwise."""
    ours = engine(models("bigcode"), slots=7, drafted=MOST)
    with torch.inference_mode():
        for record in ours.graphs.warm():
            record()
    recorded = ours.recorder.recorded
    request = Request("a", tuple(range(9)), Sampling(200, temperature=0))

    replies = run(ours.batching, [request, replace(request, id="b")])

    assert recorded == len(ours.graphs.buckets.all()) == len(ours.graphs._repeats) == 6
    assert ours.recorder.recorded == recorded
    assert replies["b"].ids == generated(models("bigcode").network, request)


def test_a_rebuilt_slot_is_never_reached_by_an_old_recording(models: Models) -> None:
    """After a failed step the memory is another one: everything is recorded anew."""
    model = models("bigcode")
    request = Request("a", tuple(range(20, 40)), GREEDY)
    expected = Reply(generated(model.network, request), FinishReason.LENGTH)
    ours = engine(model)
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
    requests = mixed(model.about.vocabulary, model.about.positions, 12, stop=(0, 7))
    ours = engine(model, recorder=recorder)

    replies = run(ours.batching, requests)

    assert [replies[r.id].ids for r in requests] == [generated(model.network, r) for r in requests]
    assert ours.graphs.off
    [line] = ours.told
    assert line.startswith("steps are not recorded: ")


def test_a_request_that_gives_nan_turns_nothing_off(models: Models) -> None:
    """Alone in the first step of a shape, or beside a sound one; its neighbour is untouched."""
    model = models("llama")
    table = model.network.get_input_embeddings().weight  # type: ignore[operator]
    kept = table[13].clone()
    good = Request("good", tuple(range(20, 40)), GREEDY)
    expected = generated(model.network, good)
    ours = engine(model, slots=2)
    try:
        table[13] = torch.nan
        alone = run(ours.batching, [Request("bad", (20, 13), GREEDY)])
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
    ours = engine(model, network=Stumbling(model.network, 9))

    replies = run(ours.batching, requests, troubled=True)

    for request in requests:
        assert replies[request.id].ids == generated(model.network, request)
    assert ours.recorder.sets == 2
    assert not ours.graphs.off


def test_a_crowd_that_drafts_runs_over_fixed_memory_without_its_drafts(models: Models) -> None:
    """More than the widest shape holds: the schedule drafts for nobody."""
    ours = engine(models("bigcode"), slots=40, drafted=MOST, budget=300)
    ours.batching.schedule.ridge = 1e6
    requests = [Request(str(n), (5, 6, 7) * 5, Sampling(30, temperature=0)) for n in range(40)]

    run(ours.batching, requests)

    assert Bucket(40, 1, 256, whole=True) in ours.graphs._repeats
    assert not any(bucket.whole and bucket.width > 1 for bucket in ours.graphs._repeats)
