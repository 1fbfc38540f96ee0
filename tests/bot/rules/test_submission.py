"""Submission of the form: what was typed, a sentence for each wrong input, and hostile payloads."""

from typing import Any

import pytest

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.submission import (
    BadSubmissionError,
    FormAddress,
    apply_typed_values,
    parse_submission,
)
from bot.rules.texts import FORM_EXPECTATIONS
from contract.job import Streaming
from contract.language import Language
from testing.secret_samples import SampleMaker
from tests.bot.rules.forms import make_body, make_state

Json = dict[str, Any]


def test_form_is_read_whole() -> None:
    """Each input has its rule, an empty one its default."""
    submission = parse_submission(
        make_body(
            "C01", 3, who="list", users=["U1A"], prompt=" Use Go.", max_new_tokens="64",
            temperature="0.5", top_k="3", top_p="", candidates="2",
            without_mention=True, streaming="off", language="zh_CN",
            asked_before=True,
        )
    )  # fmt: skip
    rules, errors = apply_typed_values(DEFAULT_RULES, submission.typed)

    assert submission.address == FormAddress("C01", 3)
    assert submission.request_id == "V1:3"
    assert errors == {}
    assert rules == ChannelRules(
        who=WhoMayAsk.LIST,
        users=("U1A",),
        prompt=" Use Go.",
        max_new_tokens=64,
        temperature=0.5,
        top_k=3,
        candidates=2,
        without_mention=True,
        streaming=Streaming.OFF,
        language=Language.CHINESE,
        asked_before=True,
    )


def test_untouched_form_changes_nothing() -> None:
    """The option of the operator is no rule."""
    typed = parse_submission(make_body("C01", 0)).typed
    former = parse_submission(make_body("C01", 0, streaming="operator")).typed

    assert apply_typed_values(DEFAULT_RULES, typed) == (DEFAULT_RULES, {})
    assert apply_typed_values(DEFAULT_RULES, former) == (DEFAULT_RULES, {})


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"who": "list"}, "users"),
        ({"language": "tlh"}, "language"),
        ({"who": "group"}, "group"),
        ({"group": "@team"}, "group"),
        ({"prompt": "x" * 2_001}, "prompt"),
        ({"prompt": "a\0b"}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"max_new_tokens": "1"}, "max_new_tokens"),
        ({"max_new_tokens": "many"}, "max_new_tokens"),
        ({"max_new_tokens": "1e3"}, "max_new_tokens"),
        ({"temperature": "9"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "1e999"}, "temperature"),
        ({"top_k": "9" * 3_000}, "top_k"),
        ({"top_p": "0"}, "top_p"),
        ({"users": ["U1"] * 200}, "users"),
        ({"who": None}, "who"),
    ],
)
def test_wrong_input_gets_a_sentence(typed: Json, wrong: str) -> None:
    """It says what the input must be."""
    rules, errors = apply_typed_values(
        DEFAULT_RULES, parse_submission(make_body("C01", 0, **typed)).typed
    )

    assert rules is None
    assert set(errors) == {wrong}
    assert str(errors[wrong]).startswith("It must be ")


def test_error_of_a_locked_input_is_shown_at_the_choice_that_needs_it() -> None:
    """Slack shows errors below the inputs of the form only."""
    _, errors = apply_typed_values(DEFAULT_RULES, {"who": "list"})

    assert errors == {"who": FORM_EXPECTATIONS["who"]}


@pytest.mark.parametrize(
    "needed", [{"who": "list", "users": ("U1A",)}, {"who": "group", "group": "S0123456789"}]
)
def test_choice_takes_what_it_needs_from_the_channels_file(needed: Json) -> None:
    """The file may lock the people, and leave the choice to the form."""
    whole = ChannelRules.model_validate(needed)
    file = ChannelRules.model_validate({key: needed[key] for key in needed if key != "who"})
    rules, errors = apply_typed_values(DEFAULT_RULES, {"who": needed["who"], "prompt": "p"}, file)

    assert errors == {}
    assert rules is not None
    assert (rules.who, rules.users, rules.group) == (whole.who, whole.users, whole.group)
    rules, errors = apply_typed_values(DEFAULT_RULES, {"who": "everyone"}, file)
    assert (rules, errors) == (DEFAULT_RULES, {})


def test_bots_in_the_list_stay() -> None:
    """Slack's list of people cannot show them."""
    stored = ChannelRules(who=WhoMayAsk.LIST, users=("B1A", "U1A"))
    rules, _ = apply_typed_values(stored, {"users": ["U2A"]})

    assert rules is not None
    assert rules.users == ("U2A", "B1A")


@pytest.mark.parametrize(
    "change",
    [
        {"view": None},
        {"user": {"id": "<@U1>"}},
        {"user": {}},
        {"view": {"id": "V1", "state": {"values": []}}},
        {"view": {"id": "V1", "state": {"values": {"who": {}}}}},
        {"view": {"id": "V1", "state": {"values": make_state(prompt="x" * 5_000)}}},
        {"view": {"id": "V 1", "private_metadata": '["C01", 1]', "state": {"values": {}}}},
    ],
)
def test_malformed_payload_is_refused(change: Json) -> None:
    """It cannot come from a form of the bot."""
    with pytest.raises(BadSubmissionError):
        parse_submission(make_body("C01", 0) | change)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "",
        "[",
        "[" * 2_000,
        '["C01"]',
        '["D01", 1]',
        '["C01", true]',
        '["C01", -1]',
        "x" * 3_001,
    ],
)
def test_malformed_metadata_is_refused(metadata: object) -> None:
    """It names a channel and a version, or the form is not the bot's."""
    with pytest.raises(BadSubmissionError):
        FormAddress.from_json(metadata)


def test_prompt_with_a_secret_is_refused() -> None:
    """Everyone in the channel can read it, so it is not changed in silence."""
    secret = SampleMaker().draw_secret("AK~IA[U16]")

    rules, errors = apply_typed_values(DEFAULT_RULES, {"prompt": f"Our key is {secret}."})
    assert (rules, list(errors)) == (None, ["prompt"])
    assert "remove it" in str(errors["prompt"])
