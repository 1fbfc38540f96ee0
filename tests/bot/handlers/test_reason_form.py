"""Form for the reason of a 👎: what it sends comes back, and nothing else is taken."""

from typing import Any

import pytest

from bot import texts
from bot.handlers.votes.ran_line import LINE_BLOCK_ID, place_line
from bot.handlers.votes.reason_form import ReasonGiven, build_reason_form, parse_reason
from bot.messages.block_actions import VoteRequested
from bot.messages.votes.presses import Mark, Reason
from contract.job import Thread
from contract.language import Language
from fakeslack.state.views import validate_view
from testing.slack_events import BOT_IDENTITY

Json = dict[str, Any]
REQUEST = VoteRequested(
    thread=Thread(team=BOT_IDENTITY.team, channel="C1", ts="1.0"),
    message_ts="2.0",
    version="",
    user="U1",
    mark=Mark.DOWN,
    pressed_at="9.0",
    trigger_id="t",
)


def submit_form(**more: Any) -> Json:
    """Return the body of the form's submission."""
    form = build_reason_form(REQUEST, Language.ENGLISH)
    values = {"reason": {"choice": {"selected_option": {"value": "unsafe"}}}}
    return {"user": {"id": "U1"}, "view": form | {"state": {"values": values}} | more}


def test_form_is_valid_and_comes_back() -> None:
    """Each reason has its label."""
    form = build_reason_form(REQUEST, Language.ENGLISH)
    [choice, _] = form["blocks"]
    labels = [option["text"]["text"] for option in choice["element"]["options"]]

    assert validate_view(form, "modal")
    assert labels == list(map(str, texts.VOTE_REASONS.values()))
    assert set(texts.VOTE_REASONS) == set(Reason)
    assert parse_reason(submit_form(), BOT_IDENTITY) == ReasonGiven(
        thread=REQUEST.thread,
        message_ts="2.0",
        version="",
        pressed_at="9.0",
        user="U1",
        reason=Reason.UNSAFE,
    )


@pytest.mark.parametrize(
    "more",
    [
        {"private_metadata": "C1 1.0 2.0 -"},
        {"private_metadata": "C1 1.0 2.0 - <!channel>"},
        {"private_metadata": None},
        {"state": {"values": {}}},
        {"state": {"values": {"reason": {"choice": {"selected_option": {"value": "spam"}}}}}},
        {"state": {"values": {"reason": {"choice": {"selected_option": None}}}}},
    ],
)
def test_forged_submission_is_ignored(more: Json) -> None:
    """Metadata and reason are validated."""
    assert parse_reason(submit_form(**more), BOT_IDENTITY) is None


def test_line_is_placed_above_the_controls() -> None:
    """Again and again at the same place; without people it is gone."""
    text, controls = {"type": "rich_text"}, {"type": "actions"}
    quiet = {"type": "context_actions"}
    once = place_line([text, controls, quiet], "✓ ran for Ada")

    assert [block["type"] for block in once] == [
        "rich_text",
        "context",
        "actions",
        "context_actions",
    ]
    assert once[1]["block_id"] == LINE_BLOCK_ID
    assert place_line(once, "✓ ran for Ada") == once
    assert place_line(once, "") == [text, controls, quiet]
    assert [block["type"] for block in place_line([text], "✓")] == ["rich_text", "context"]
