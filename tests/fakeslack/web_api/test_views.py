"""`views.*`: modals, the Home tab and their trigger ids."""

from typing import Any

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.views import validate_view
from testing.in_memory_workspace import ADA, LIN, InMemoryWorkspace

Json = dict[str, Any]


PLAIN = {"type": "plain_text", "text": "a"}


MODAL = {"type": "modal", "title": PLAIN, "blocks": [{"type": "divider"}]}


HOME = {"type": "home", "blocks": [{"type": "divider"}]}


INPUT_MODAL = {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}}


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def open_modal(slack: InMemoryWorkspace, view: Json = MODAL, person: str = ADA) -> Json:
    """Open a modal for a person with a fresh trigger id."""
    trigger = slack.workspace.trigger_ids.issue_trigger(person)
    shown: Json = slack.call_method("views.open", trigger_id=trigger, view=view)["view"]
    return shown


def test_a_trigger_id_opens_one_modal_in_three_seconds(slack: InMemoryWorkspace) -> None:
    """Used, expired and invented trigger ids have distinct errors."""
    used, old = (slack.workspace.trigger_ids.issue_trigger(ADA) for _ in range(2))
    shown = slack.call_method("views.open", trigger_id=used, view=MODAL)["view"]
    assert shown["root_view_id"] == shown["id"]
    slack.clock_seconds += 4
    for trigger, error in (
        (used, "exchanged_trigger_id"),
        (old, "expired_trigger_id"),
        ("odd", "invalid_trigger_id"),
    ):
        assert slack.expect_error("views.open", trigger_id=trigger, view=MODAL) == error


def test_modals_stack_up_to_three(slack: InMemoryWorkspace) -> None:
    """A fourth is refused; closing shows the one below."""
    first = open_modal(slack)
    for _ in range(2):
        trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
        top = slack.call_method("views.push", trigger_id=trigger, view=MODAL)["view"]
    assert top["root_view_id"] == first["id"]
    trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
    assert slack.expect_error("views.push", trigger_id=trigger, view=MODAL) == "push_limit_reached"
    views = slack.workspace.views
    views.close_view(views.get_view(top["id"]))
    assert len(views.list_modals(ADA)) == 2
    views.close_view(views.list_modals(ADA)[-1], close_all=True)
    assert views.list_modals(ADA) == []
    assert [bool(change.detail["view"]) for change in slack.find_changes("view")] == [True] * 4 + [
        False
    ]
    trigger = slack.workspace.trigger_ids.issue_trigger(ADA)
    assert slack.expect_error("views.push", trigger_id=trigger, view=MODAL) == "not_found"


def test_an_outdated_hash_is_a_conflict(slack: InMemoryWorkspace) -> None:
    """An update may name the hash of the view it replaces."""
    shown = open_modal(slack, {**MODAL, "external_id": "mine"})
    again = {**MODAL, "callback_id": "b"}
    new = slack.call_method("views.update", view_id=shown["id"], view=again, hash=shown["hash"])[
        "view"
    ]
    assert new["callback_id"] == "b"
    stale = {"view_id": shown["id"], "view": again, "hash": shown["hash"]}
    assert slack.expect_error("views.update", **stale) == "hash_conflict"
    assert slack.expect_error("views.update", external_id="other", view=again) == "not_found"


def test_an_external_id_is_unique(slack: InMemoryWorkspace) -> None:
    """Two open views can't share one."""
    named = {**MODAL, "external_id": "mine"}
    open_modal(slack, named)
    trigger = slack.workspace.trigger_ids.issue_trigger(LIN)
    assert (
        slack.expect_error("views.open", trigger_id=trigger, view=named) == "duplicate_external_id"
    )


def test_each_person_has_one_home_tab(slack: InMemoryWorkspace) -> None:
    """Publishing again updates the same view."""
    first = slack.call_method("views.publish", user_id=ADA, view=HOME)["view"]
    second = slack.call_method("views.publish", user_id=ADA, view=HOME)["view"]
    assert first["id"] == second["id"]
    home = slack.workspace.views.get_home(ADA)
    assert home is not None
    assert slack.workspace.views.list_modals(ADA) == []
    assert slack.expect_error("views.publish", user_id="U9", view=HOME) == "user_not_found"


@pytest.mark.parametrize(
    ("view", "kind", "error"),
    [
        ("odd", "modal", "invalid_arguments"),
        (HOME, "modal", "invalid_arguments"),
        (MODAL, "home", "invalid_arguments"),
        ({**MODAL, "title": {"type": "plain_text", "text": "a" * 25}}, "modal", "invalid"),
        ({**MODAL, "blocks": [{"type": "poem"}]}, "modal", "invalid_arguments"),
        ({**MODAL, "blocks": [INPUT_MODAL]}, "modal", "invalid_arguments"),
        ({**HOME, "private_metadata": "a" * 3_001}, "home", "invalid_arguments"),
        ({**HOME, "blocks": ["a" * 250_000]}, "home", "view_too_large"),
    ],
    ids=range(8),
)
def test_an_invalid_view_is_refused(view: Any, kind: str, error: str) -> None:
    """Type, fields, size and inputs without a submit button are checked."""
    with pytest.raises(SlackError, match=error):
        validate_view(view, kind)


def test_a_modal_with_submit_may_have_inputs() -> None:
    """Input blocks need a submit button."""
    view = {**MODAL, "blocks": [INPUT_MODAL], "submit": PLAIN}
    assert validate_view(view, "modal") == view
