"""Dialects: what they send, and how they read what no server should send."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine import FinishReason, Request, SamplingParams
from worker.remote_engine.dialects import DIALECTS
from worker.remote_engine.dialects.base import (
    DialectError,
    EncodableText,
    HttpPost,
    Piece,
    RemoteCall,
)

SAMPLING = SamplingParams(max_new_tokens=7, temperature=0.3, top_k=0, top_p=0.9, seed=11)
REQUEST = Request("r", (5, 6), SAMPLING, stop_ids=(1, 2))
CALL = RemoteCall(REQUEST, "name", "model", "salt", "session")
ENCODING = HttpPost("/tokenize", {"content": "é", "add_special": False, "parse_special": False})
FIELDS = st.sampled_from(
    [
        *("choices", "token_ids", "prompt_token_ids", "finish_reason", "output_ids", "meta_info"),
        *("completion_tokens", "prompt_tokens", "tokens", "stop", "stop_type"),
        *("tokens_evaluated", "error", "type", "tokens_predicted", "content"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


def serve_json(pages: dict[str, Any]) -> Callable[[str], Awaitable[Any]]:
    """Return a `FetchJson` of fixed pages."""

    async def fetch(path: str) -> Any:
        return pages[path]

    return fetch


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "vllm",
            {"prompt": [5, 6], "max_tokens": 7, "temperature": 0.3, "top_k": 0, "top_p": 0.9}
            | {"seed": 11, "min_p": 0.0, "repetition_penalty": 1.0, "stop_token_ids": [1, 2]}
            | {"cache_salt": "salt", "return_token_ids": True, "stream": True, "model": "model"},
        ),
        (
            "llama.cpp",
            {"prompt": [5, 6], "n_predict": 7, "temperature": 0.3, "top_k": 0, "top_p": 0.9}
            | {"seed": 11, "min_p": 0.0, "repeat_penalty": 1.0, "cache_prompt": False}
            | {"samplers": ["temperature", "top_k", "top_p"], "stream": True}
            | {"mirostat": 0, "dynatemp_range": 0.0, "ignore_eos": False},
        ),
    ],
)
def test_every_sampling_parameter_is_sent(dialect: str, expected: dict[str, Any]) -> None:
    """A server's own defaults fill no gap."""
    body = DIALECTS[dialect].build_call(CALL).body

    assert expected.items() <= body.items()


def test_sglang_gets_its_own_names() -> None:
    """A `top_k` of 0 is -1 there."""
    post = DIALECTS["sglang"].build_call(CALL)

    assert post.body["input_ids"] == [5, 6]
    assert post.body["sampling_params"] == {
        "max_new_tokens": 7,
        "temperature": 0.3,
        "top_k": -1,
        "top_p": 0.9,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "sampling_seed": 11,
        "stop_token_ids": [1, 2],
        "ignore_eos": True,
    }
    assert DIALECTS["sglang"].build_abort("name").body == {"rid": post.body["rid"]}  # type: ignore[union-attr]


@pytest.mark.parametrize("dialect", DIALECTS)
@given(event=st.dictionaries(FIELDS, JSON, max_size=6))
def test_any_event_is_read_or_refused(dialect: str, event: dict[str, Any]) -> None:
    """A server can't raise another error, and what is read are ids."""
    try:
        piece = DIALECTS[dialect].read_piece(event)
    except DialectError:
        return

    assert all(type(token) is int and token >= 0 for token in piece.ids)


@pytest.mark.parametrize(
    ("dialect", "event", "piece"),
    [
        ("vllm", {"choices": []}, Piece()),
        (
            "vllm",
            {"choices": [{"token_ids": [4], "prompt_token_ids": [5], "finish_reason": "stop"}]},
            Piece(ids=(4,), reason=FinishReason.STOP, prompt_ids=(5,)),
        ),
        (
            "sglang",
            {"output_ids": [4, 5], "meta_info": {"completion_tokens": 2, "prompt_tokens": 9}},
            Piece(ids=(4, 5), total=2, prompt_tokens=9),
        ),
        ("llama.cpp", {"tokens": [4], "stop": False}, Piece(ids=(4,))),
        (
            "llama.cpp",
            {"tokens": [4], "stop": False, "tokens_predicted": 2, "content": "é"},
            Piece(ids=(4,), text=EncodableText(2, ENCODING)),
        ),
        (
            "llama.cpp",
            {"tokens": [], "stop": True, "stop_type": "limit", "tokens_evaluated": 3},
            Piece(reason=FinishReason.LENGTH, prompt_tokens=3),
        ),
    ],
)
def test_events_are_read(dialect: str, event: dict[str, Any], piece: Piece) -> None:
    """Each dialect has its own fields."""
    assert DIALECTS[dialect].read_piece(event) == piece


@pytest.mark.parametrize(
    ("entries", "wanted", "name"),
    [
        ([{"id": "a"}, {"id": "b"}], "b", "b"),
        ([{"id": "a"}], "other", "a"),
    ],
)
async def test_the_wanted_or_the_only_model_is_used(
    entries: list[dict[str, Any]], wanted: str, name: str
) -> None:
    """A server may have its own name for the one model that it serves."""
    fetch = serve_json({"/v1/models": {"data": entries}})

    assert (await DIALECTS["vllm"].find_served_model(fetch, wanted)).name == name


@pytest.mark.parametrize("entries", [[], [{"id": "a"}, {"id": "b"}], None, [3], [{"id": None}]])
async def test_a_server_without_the_model_is_refused(entries: Any) -> None:
    """The line names what the server has."""
    fetch = serve_json({"/v1/models": {"data": entries}})

    with pytest.raises(DialectError, match="the server has no model mine; it has: "):
        await DIALECTS["vllm"].find_served_model(fetch, "mine")


async def test_names_of_models_stay_on_one_line() -> None:
    """A server's name for a model can't begin a line in a log."""
    fetch = serve_json({"/v1/models": {"data": [{"id": "a\nb\x1b"}, {"id": "c"}]}})

    with pytest.raises(DialectError, match=r"^[ -~]+$"):
        await DIALECTS["vllm"].find_served_model(fetch, "mine")


async def test_a_slot_of_llama_cpp_bounds_the_context() -> None:
    """Its model's window is shared by the slots."""
    pages = {
        "/v1/models": {"data": [{"id": "a"}]},
        "/props": {"default_generation_settings": {"n_ctx": 512}},
    }

    model = await DIALECTS["llama.cpp"].find_served_model(serve_json(pages), "a")
    assert model.max_positions == 512
