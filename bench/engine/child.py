"""One peer's process: `python -m bench.engine.child PEER DIRECTORY SLOTS CORE`, JSON lines."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from bench.engine.load_generator import Peer, Played, play, play_thread
from bench.engine.workload import Wish, burst

LOADERS: Final = {
    "pipeline": ("generate", "load_pipeline"),
    "static": ("generate", "load_static"),
    "continuous": ("continuous", "load"),
    "vllm": ("vllm", "load"),
    "llama.cpp": ("llama", "load"),
    "ours": ("ours", "load"),
}
"""Where each peer is loaded; none is imported in the process of another one."""
WARMING: Final = 2
"""Requests that are answered before anything is measured."""


def loader(name: str) -> Callable[[Path, int], Peer]:
    """Return what loads a peer."""
    module, function = LOADERS[name]
    found: Callable[[Path, int], Peer] = getattr(
        import_module(f"bench.engine.engines.{module}"), function
    )
    return found


def answered(peer: Peer, line: str) -> Played:
    """Play what a line asks for: `{"wishes": […]}`, or `{"said": […], "new": …, "thread": …}`."""
    asked: dict[str, Any] = json.loads(line)
    if "wishes" in asked:
        wishes = [Wish(**wish | {"prompt": tuple(wish["prompt"])}) for wish in asked["wishes"]]
        return play(peer, wishes)[0]
    said = [tuple(message) for message in asked["said"]]
    return play_thread(peer, said, asked["new"], asked["thread"])[0]


def main(name: str, directory: Path, slots: int, core: int) -> None:
    """Load a peer on one core, say so, and answer line by line until the input ends."""
    # Libraries print to the standard output as they please; the answers need it to themselves.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    load = loader(name)
    os.sched_setaffinity(0, {core})
    peer = load(directory, slots)
    play(peer, burst(WARMING, 0, most=500))
    print("{}", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(asdict(answered(peer, line))), file=answers, flush=True)
    peer.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
