"""Form of a question about a message: what it begins with, and what it refuses."""

import json
from typing import Any

import pytest

from bot.handlers.asks.form import (
    MAX_METADATA_CHARACTERS,
    BadFormError,
    build_form,
    find_fault,
    parse_shortcut,
    parse_submission,
    suggest_question,
)
from bot.messages.asks import texts
from contract.language import Language
from testing.slack_events import ADA, BOT_IDENTITY, CHANNEL, make_message, message_ts

Json = dict[str, Any]
ROOT, ABOUT = message_ts(1), message_ts(2)


def make_shortcut(**message: Any) -> Json:
    """Return a `message_action` body."""
    raw = make_message(2, "Traceback", thread_ts=ROOT, **message)
    return {
        "user": {"id": ADA, "team_id": "T1"},
        "channel": {"id": CHANNEL},
        "trigger_id": "1",
        "message_ts": ABOUT,
        "message": raw,
    }


def make_submission(metadata: object, **view: Any) -> Json:
    """Return a `view_submission` body."""
    state = {"values": {"question": {"value": {"value": " Why? "}}}}
    shown = {"id": "V1", "private_metadata": metadata, "state": state, **view}
    return {"user": {"id": ADA}, "team": {"id": "T1"}, "view": shown}


def test_form_leads_back_to_its_message() -> None:
    """What the form holds is what its submission asks about, in the person's language."""
    used = parse_shortcut(make_shortcut(), BOT_IDENTITY)
    form = build_form(used, Language.CHINESE)
    assert form["submit"]["text"] == "提问"
    submission = parse_submission(make_submission(form["private_metadata"]), BOT_IDENTITY)
    request = submission.to_request()

    assert (request.find_thread(""), request.about) == (used.thread, ABOUT)
    assert (request.user, request.user_team, request.question) == (ADA, "T1", "Why?")


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[]",
        None,
        "[" * 100,
        json.dumps([CHANNEL, ROOT]),
        json.dumps(["C/1", ROOT, ABOUT]),
        json.dumps([CHANNEL, "now", ABOUT]),
        json.dumps([CHANNEL, ROOT, "now"]),
        json.dumps([CHANNEL, ROOT, {}]),
        json.dumps([CHANNEL, ROOT, ABOUT]) + " " * MAX_METADATA_CHARACTERS,
    ],
)
def test_forged_metadata_is_refused(metadata: object) -> None:
    """Nothing of a form that the bot has not opened is used."""
    with pytest.raises(BadFormError):
        parse_submission(make_submission(metadata), BOT_IDENTITY).to_request()


@pytest.mark.parametrize(
    "body",
    [
        {},
        make_submission(json.dumps([CHANNEL, ROOT, ABOUT]), id="V 1"),
        make_submission(json.dumps([CHANNEL, ROOT, ABOUT]), state={}),
        make_submission(json.dumps([CHANNEL, ROOT, ABOUT])) | {"user": {"id": "U/1"}},
    ],
)
def test_malformed_submission_is_refused(body: Json) -> None:
    """The error quotes nothing of it."""
    with pytest.raises(BadFormError) as caught:
        parse_submission(body, BOT_IDENTITY).to_request()
    assert str(caught.value) == ""


@pytest.mark.parametrize(
    "change",
    [{"message_ts": "now"}, {"channel": {}}, {"user": {}}, {"message": {"thread_ts": 1}}],
)
def test_malformed_shortcut_is_refused(change: Json) -> None:
    """No form opens for it."""
    with pytest.raises(BadFormError):
        parse_shortcut(make_shortcut() | change, BOT_IDENTITY)


def test_form_begins_with_a_question_that_fits() -> None:
    """Errors come before code; half a word is no error."""
    assert suggest_question("java.lang.NullPointerException at x") == texts.EXPLAIN_ERROR
    assert suggest_question("TypeError: x\n```y```") == texts.EXPLAIN_ERROR
    assert suggest_question("```print(1)```") == texts.EXPLAIN_CODE
    assert suggest_question("terrors of the deep") == texts.EXPLAIN_MESSAGE


def test_question_needs_words_and_an_end() -> None:
    """Signs alone ask nothing; commands are questions of their own kind."""
    assert find_fault("?! <>", BOT_IDENTITY) is None
    assert find_fault("?!", BOT_IDENTITY) == texts.NO_QUESTION
    assert find_fault("", BOT_IDENTITY) == texts.NO_QUESTION
    assert find_fault("x" * 3_000, BOT_IDENTITY) is None
    assert find_fault("x" * 3_001, BOT_IDENTITY) == texts.QUESTION_TOO_LONG
