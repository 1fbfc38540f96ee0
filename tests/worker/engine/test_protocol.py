"""Engine protocol: the messages between parent and child, line by line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.checkpoints import tiny_bigcode
from testing.in_process_engine import GREEDY_SAMPLING
from worker.engine import (
    EngineError,
    EngineLostError,
    Finished,
    FinishReason,
    ModelInfo,
    Request,
    RequestRefusedError,
    SamplingParams,
    Tokens,
    protocol,
)
from worker.engine.in_flight import InFlightRequests
from worker.engine.protocol import EngineConfig

requests = st.builds(
    Request,
    id=st.text(),
    prompt=st.lists(st.integers(0, 50_000)).map(tuple),
    sampling=st.builds(SamplingParams, temperature=st.floats(0, 2), seed=st.integers(0, 2**64)),
    stop_ids=st.lists(st.integers(0, 50_000)).map(tuple),
    scope=st.text(),
    priority=st.integers(),
    deadline=st.none() | st.floats(0, 1e9),
)


@given(requests)
def test_request_survives_the_round_trip(request_: Request) -> None:
    """Every field, in one line."""
    line = protocol.encode_message({"generate": protocol.dump_request(request_)})

    assert line.count(b"\n") == 1
    assert protocol.load_request(protocol.decode_message(line)["generate"]) == request_


def test_model_info_survives_the_round_trip() -> None:
    """Paths and lists included."""
    model = ModelInfo(
        "a/b", "v1", Path("/models/x"), 8192, 49156, (0, 49155), "cuda", "bfloat16", 32
    )

    assert (
        protocol.load_model_info(
            protocol.decode_message(protocol.encode_message(protocol.dump_model_info(model)))
        )
        == model
    )


def test_config_survives_the_round_trip() -> None:
    """Unset fields stay unset."""
    options = EngineConfig(model="a/b", slots=3)

    assert EngineConfig.from_json(options.to_json()) == options


@pytest.mark.parametrize("line", [b"", b"[1]", b"Loading weights: 10%", b'{"step"'])
def test_malformed_line_raises_value_error(line: bytes) -> None:
    """Every malformed line raises one kind of error."""
    with pytest.raises(ValueError):
        protocol.decode_message(line)


STEP_MESSAGE: dict[str, Any] = {"step": 1, "running": 1, "waiting": 0, "prefilled": 0}


def test_events_reach_only_their_own_request() -> None:
    """Tokens, a finish, a failure and a refusal; events of unknown requests are ignored."""
    answers = InFlightRequests()
    queues = [answers.register_request(Request(name, (1,), GREEDY_SAMPLING))[1] for name in "abc"]

    answers.dispatch_message(
        STEP_MESSAGE
        | {"tokens": {"1": [5, 6], "99": [7]}, "gpu_us": {"1": 250, "99": 1}}
        | {"failed": {"2": "RuntimeError"}}
    )
    answers.dispatch_message({"refused": "3", "reason": "too long"})
    answers.dispatch_message({"refused": "99", "reason": "too long"})
    answers.dispatch_message(STEP_MESSAGE | {"finished": {"1": ["stop", 1, 2, 1_500_000]}})

    heard = [[queue.get_nowait() for _ in range(queue.qsize())] for queue in queues]
    assert heard[0] == [Tokens((5, 6), 0.00025), Finished(FinishReason.STOP, 1, 2, 1.5)]
    assert type(heard[1][0]) is EngineError
    assert type(heard[2][0]) is RequestRefusedError
    assert [len(events) for events in heard] == [2, 1, 1]
    assert not answers


def test_lost_child_fails_all_requests_once() -> None:
    """Late messages about them are dropped."""
    answers = InFlightRequests()
    number, queue = answers.register_request(Request("a", (1,), GREEDY_SAMPLING))

    assert answers.fail_all("gone") == 1
    assert answers.fail_all("gone") == 0
    answers.dispatch_message(STEP_MESSAGE | {"tokens": {number: [1]}})

    assert isinstance(queue.get_nowait(), EngineLostError)
    assert queue.empty()
    assert not answers.unregister_request("a", number)


@pytest.mark.slow
def test_child_validates_requests_and_exits_with_stdin() -> None:
    """Without its parent it refuses an invalid request, aborts, and prints only messages."""
    options = EngineConfig(model=str(tiny_bigcode()), slots=1, threads=1)
    long = Request("1", (1, 2), SamplingParams(max_new_tokens=200, temperature=0))
    said: list[dict[str, Any]] = []
    with subprocess.Popen(
        [sys.executable, "-m", "worker.engine"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(options.to_json().encode() + b"\n")
        for message in (
            {"generate": protocol.dump_request(Request("bad", (1,) * 256, GREEDY_SAMPLING))},
            {"generate": protocol.dump_request(long)},
            {"generate": protocol.dump_request(Request("2", (3,), GREEDY_SAMPLING))},
            {"abort": "1"},
            {"abort": "unknown"},
            {"hum": "a tune"},
        ):
            child.stdin.write(protocol.encode_message(message))
        child.stdin.flush()
        for line in child.stdout:
            said.append(json.loads(line))
            if "2" in said[-1].get("finished", {}):
                child.stdin.close()
                break
        said += [json.loads(line) for line in child.stdout]

    assert child.returncode == 0
    assert [message for message in said if message.get("refused") == "bad"]
    ends = {name: end for message in said for name, end in message.get("finished", {}).items()}
    assert ends["1"][0] == "stopped"
    *end, gpu_us = ends["2"]
    assert end == ["length", 1, 24]
    assert gpu_us > 0
    assert said[-1]["running"] == 0
