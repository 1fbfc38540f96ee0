"""Makes a loaded model ready: its step loop, and first runs of what a request would wait for."""

from collections.abc import Callable
from functools import partial
from typing import Final

import torch

from worker.engine import Request, Sampling
from worker.engine.attention.flash_varlen import varlen
from worker.engine.core.engine_core import Batching
from worker.engine.cuda_graphs.capture import recorder
from worker.engine.cuda_graphs.compiled import Compiled
from worker.engine.cuda_graphs.runner import Graphs, Record, Tell
from worker.engine.cuda_graphs.shapes import Buckets
from worker.engine.loading.loader import Loaded
from worker.engine.loading.progress import Progress
from worker.engine.options import Options

FEW: Final = 8
"""Tokens of the first prompt on a CPU, where many would take seconds, or behind a whole step."""

BEGIN: Final = 0.92
"""The share of the whole start that is done when the warm-up begins."""


def warmed(
    loaded: Loaded,
    options: Options,
    progress: Progress,
    tell: Tell,
    begin: Callable[[], Record] | None = None,
) -> Batching:
    """
    Return the step loop over a loaded model once all of it has run.

    `tell` hears what it goes without, and how it reads. `begin` begins a set of recorded steps;
    unless it is given, they are for a GPU alone.
    """
    batching = Batching(
        loaded.network,
        loaded.slots,
        vocabulary=loaded.about.vocabulary,
        budget=loaded.budget,
        shelf=loaded.shelf,
        drafted=options.drafted,
    )
    device = loaded.slots.layers[0].device
    if device.type == "cuda":
        batching.forward.varlen = varlen(tell)
        begin = begin or partial(recorder, device)
    graphs = None
    if begin is not None and options.graphs:
        graphs = recording(loaded, options, begin, tell)
    elif options.compiled:
        tell("layers are not compiled: that is for steps recorded on a GPU")
    runs: list[Callable[[], object]] = [
        partial(_rehearse, batching, loaded),
        *(graphs.warm() if graphs else ()),
    ]
    for number, run in enumerate(runs):
        done = BEGIN + (1 - BEGIN) * number / len(runs)
        progress(f"warming up {number + 1} of {len(runs)}", round(done, 3))
        with torch.inference_mode():
            run()
    batching.steps = 0
    if graphs is not None:
        batching.engage(graphs)
    return batching


def recording(loaded: Loaded, options: Options, begin: Callable[[], Record], tell: Tell) -> Graphs:
    """Return the recorded steps of a model, none of which is recorded yet."""
    buckets = Buckets(loaded.slots.count, loaded.slots.positions, options.drafted)
    graphs = Graphs(loaded.network, loaded.slots, buckets, begin, tell)
    if options.compiled:
        graphs.faster = Compiled(loaded.network)
    return graphs


def _rehearse(batching: Batching, loaded: Loaded) -> None:
    """Read a prompt and grow by a token; on a GPU one that takes two steps to read."""
    few = loaded.slots.layers[0].device.type == "cpu"
    length = min(FEW if few else loaded.budget + FEW, loaded.about.positions - 2)
    prompt = tuple(at * 7919 % loaded.about.vocabulary for at in range(length))
    batching.add(Request("", prompt, Sampling(max_new_tokens=2, temperature=0)))
    while batching.busy:
        batching.step()
