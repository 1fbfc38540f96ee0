"""Modals and Home tabs: open views by person, and Slack's rules for views. Pure."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakeslack.block_kit import validate_view_blocks
from fakeslack.block_kit.composition import plain_text_rule
from fakeslack.block_kit.generated_ids import assign_block_ids
from fakeslack.block_kit.rules import (
    Rule,
    any_rule,
    boolean_rule,
    choice_rule,
    object_rule,
    string_rule,
)
from fakeslack.errors import Json, SlackError
from fakeslack.state.people import TEAM_ID, AppInstallation
from fakeslack.state.selections import Selections

MAX_VIEW_CHARACTERS = 250_000
MAX_STACK_DEPTH = 3
COMMON_FIELDS: dict[str, Rule] = {
    "type": choice_rule("modal", "home"),
    "blocks": any_rule,
    "private_metadata": string_rule(3_000, 0),
    "callback_id": string_rule(255, 0),
    "external_id": string_rule(255, 0),
}
HOME_RULE = object_rule({"type": choice_rule("home"), "blocks": any_rule}, COMMON_FIELDS)
MODAL_RULE = object_rule(
    {"type": choice_rule("modal"), "title": plain_text_rule(24), "blocks": any_rule},
    {
        **COMMON_FIELDS,
        "submit": plain_text_rule(24),
        "close": plain_text_rule(24),
        "clear_on_close": boolean_rule,
        "notify_on_close": boolean_rule,
        "submit_disabled": boolean_rule,
    },
)


@dataclass(slots=True)
class View:
    """One open modal, or one person's Home tab."""

    id: str
    person: str
    body: Json
    hash: str
    root_id: str
    selections: Selections
    previous_id: str | None = None

    def as_slack(self, app: AppInstallation) -> Json:
        """Return the view object without its state, as methods, events and `view_closed` do."""
        return {
            "private_metadata": "",
            "callback_id": "",
            "external_id": "",
            "title": None,
            "submit": None,
            "close": None,
            "clear_on_close": False,
            "notify_on_close": False,
            **self.body,
            "id": self.id,
            "team_id": TEAM_ID,
            "state": {"values": {}},
            "hash": self.hash,
            "root_view_id": self.root_id,
            "previous_view_id": self.previous_id,
            "app_id": app.bot.app_id,
            "app_installed_team_id": TEAM_ID,
            "bot_id": app.bot.bot_id,
        }

    def with_state(self, app: AppInstallation) -> Json:
        """Return the view object with its state, as `block_actions` and `view_submission` do."""
        return self.as_slack(app) | {"state": self.selections.state}


def validate_view(view: Any, view_type: str) -> Json:
    """
    Return a view of this type.

    Raises `invalid_arguments` if a field is invalid. Raises `view_too_large` above 250,000
    characters.
    """
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "[ERROR] must be an object [json-pointer:/view]")
    rule = HOME_RULE if view_type == "home" else MODAL_RULE
    errors = list(rule(view, "/view"))
    if errors:
        raise SlackError("invalid_arguments", *errors)
    if len(json.dumps(view)) > MAX_VIEW_CHARACTERS:
        raise SlackError("view_too_large")
    validate_view_blocks(view["blocks"])
    has_input = any(block.get("type") == "input" for block in view["blocks"])
    if view_type == "modal" and has_input and "submit" not in view:
        raise SlackError("invalid_arguments", "[ERROR] must define submit [json-pointer:/view]")
    return view


class ViewStore:
    """The app's views; every change is passed to `listener` as (person, view or None)."""

    def __init__(self, listener: Callable[[str, View | None], None]) -> None:
        self._listener = listener
        self._view_numbers = itertools.count(1)
        self._views: dict[str, View] = {}
        self._homes: dict[str, View] = {}

    def open_view(self, person: str, body: Json, conversation: str = "") -> View:
        """
        Open a modal for a person who has `conversation` on screen.

        Raises `duplicate_external_id` if the id is in use.
        """
        self._check_external_id(body)
        view_id = self._next_view_id()
        return self._store_view(self._build_view(view_id, view_id, person, body, conversation))

    def push_view(self, previous: View, body: Json) -> View:
        """Push a modal above another. Raises `push_limit_reached` if three are open."""
        if len(self.list_modals(previous.person)) >= MAX_STACK_DEPTH:
            raise SlackError("push_limit_reached")
        self._check_external_id(body)
        conversation = previous.selections.conversation
        view = self._build_view(
            self._next_view_id(), previous.root_id, previous.person, body, conversation
        )
        view.previous_id = previous.id
        return self._store_view(view)

    def update_view(self, view: View, body: Json, expected_hash: str = "") -> View:
        """
        Replace the body of a view; inputs whose ids stay keep their values.

        Raises `hash_conflict` if `expected_hash` is outdated.
        """
        if expected_hash and expected_hash != view.hash:
            raise SlackError("hash_conflict")
        view.body, view.hash = self._with_block_ids(body), self._next_hash()
        view.selections.show_blocks(view.body["blocks"])
        self._listener(view.person, view)
        return view

    def publish_home(self, person: str, body: Json, expected_hash: str = "") -> View:
        """Set a person's Home tab. Raises `hash_conflict` if `expected_hash` is outdated."""
        view = self._homes.get(person)
        if view is not None:
            return self.update_view(view, body, expected_hash)
        view_id = self._next_view_id()
        self._homes[person] = self._build_view(view_id, view_id, person, body)
        return self._store_view(self._homes[person])

    def get_home(self, person: str) -> View | None:
        """Return a person's Home tab, or None."""
        return self._homes.get(person)

    def get_view(self, view_id: str) -> View:
        """Return the view with this id or external id. Raises `not_found` if there is none."""
        for view in self._views.values():
            if view_id and view_id in {view.id, view.body.get("external_id")}:
                return view
        raise SlackError("not_found")

    def list_modals(self, person: str) -> list[View]:
        """Return a person's open modals, the topmost last."""
        homes = self._homes.values()
        return [v for v in self._views.values() if v.person == person and v not in homes]

    def close_view(self, view: View, *, close_all: bool = False) -> None:
        """Close a modal, or its whole stack if `close_all`."""
        views_to_close = self.list_modals(view.person) if close_all else [view]
        for closed_view in views_to_close:
            self._views.pop(closed_view.id, None)
        remaining = self.list_modals(view.person)
        self._listener(view.person, remaining[-1] if remaining else None)

    def _build_view(
        self, view_id: str, root_id: str, person: str, body: Json, conversation: str = ""
    ) -> View:
        body = self._with_block_ids(body)
        selections = Selections(body["blocks"], conversation)
        return View(view_id, person, body, self._next_hash(), root_id, selections)

    def _with_block_ids(self, body: Json) -> Json:
        new_ids = map("v{:04d}".format, self._view_numbers)
        return body | {"blocks": assign_block_ids(body["blocks"], new_ids)}

    def _store_view(self, view: View) -> View:
        self._views[view.id] = view
        self._listener(view.person, view)
        return view

    def _check_external_id(self, body: Json) -> None:
        external_id = body.get("external_id")
        if external_id and any(
            view.body.get("external_id") == external_id for view in self._views.values()
        ):
            raise SlackError("duplicate_external_id")

    def _next_view_id(self) -> str:
        return f"V0VIEW{next(self._view_numbers):05d}"

    def _next_hash(self) -> str:
        return f"1700000000.h{next(self._view_numbers):06d}"
