"""Modals and Home tabs, pure: which views are open for whom, and the rules they keep."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakeslack.block_kit import checked_in_view
from fakeslack.block_kit.elements import plain
from fakeslack.block_kit.rules import Rule, anything, boolean, one_of, shape, string
from fakeslack.errors import Json, SlackError
from fakeslack.state.people import TEAM, Installation

LARGEST = 250_000
DEEPEST = 3
COMMON: dict[str, Rule] = {
    "type": one_of("modal", "home"),
    "blocks": anything,
    "private_metadata": string(3_000, 0),
    "callback_id": string(255, 0),
    "external_id": string(255, 0),
}
HOME = shape({"type": one_of("home"), "blocks": anything}, COMMON)
MODAL = shape(
    {"type": one_of("modal"), "title": plain(24), "blocks": anything},
    {
        **COMMON,
        "submit": plain(24),
        "close": plain(24),
        "clear_on_close": boolean,
        "notify_on_close": boolean,
        "submit_disabled": boolean,
    },
)


@dataclass(slots=True)
class View:
    """One open modal or one person's Home tab."""

    id: str
    person: str
    body: Json
    hash: str
    root: str
    previous: str | None = None
    state: Json = field(default_factory=dict)

    def as_slack(self, app: Installation) -> Json:
        """Return the view object."""
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
            "team_id": TEAM,
            "state": {"values": self.state},
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
            "app_id": app.bot.app_id,
            "app_installed_team_id": TEAM,
            "bot_id": app.bot.bot_id,
        }


def checked(view: Any, kind: str) -> Json:
    """Return a view of this kind; raises what Slack says of a wrong one."""
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "[ERROR] must be an object [json-pointer:/view]")
    rule = HOME if kind == "home" else MODAL
    found = list(rule(view, "/view"))
    if found:
        raise SlackError("invalid_arguments", *found)
    if len(json.dumps(view)) > LARGEST:
        raise SlackError("view_too_large")
    checked_in_view(view["blocks"])
    asks = any(block.get("type") == "input" for block in view["blocks"])
    if kind == "modal" and asks and "submit" not in view:
        raise SlackError("invalid_arguments", "[ERROR] must define submit [json-pointer:/view]")
    return view


class Views:
    """The views of the app; `told` hears of every change as (person, view or None)."""

    def __init__(self, told: Callable[[str, View | None], None]) -> None:
        self._told = told
        self._numbers = itertools.count(1)
        self._views: dict[str, View] = {}
        self._homes: dict[str, View] = {}

    def open(self, person: str, body: Json) -> View:
        """Open a modal for a person."""
        name = self._name()
        return self._put(View(name, person, self._unique(body), self._hash(), name))

    def push(self, previous: View, body: Json) -> View:
        """Put a modal on top of another; raises `push_limit_reached`."""
        if len(self.stack(previous.person)) >= DEEPEST:
            raise SlackError("push_limit_reached")
        name = self._name()
        view = View(
            name, previous.person, self._unique(body), self._hash(), previous.root, previous.id
        )
        return self._put(view)

    def update(self, view: View, body: Json, seen: str = "") -> View:
        """Change a view; raises `hash_conflict` where it is no longer the one that was seen."""
        if seen and seen != view.hash:
            raise SlackError("hash_conflict")
        view.body, view.hash = body, self._hash()
        self._told(view.person, view)
        return view

    def publish(self, person: str, body: Json, seen: str = "") -> View:
        """Set a person's Home tab; raises `hash_conflict`."""
        view = self._homes.get(person)
        if view is not None:
            return self.update(view, body, seen)
        name = self._name()
        self._homes[person] = View(name, person, body, self._hash(), name)
        return self._put(self._homes[person])

    def home(self, person: str) -> View | None:
        """Return a person's Home tab."""
        return self._homes.get(person)

    def find(self, name: str) -> View:
        """Return the view with this id or external id; raises `not_found`."""
        for view in self._views.values():
            if name and name in {view.id, view.body.get("external_id")}:
                return view
        raise SlackError("not_found")

    def stack(self, person: str) -> list[View]:
        """Return a person's open modals, the topmost last."""
        homes = self._homes.values()
        return [v for v in self._views.values() if v.person == person and v not in homes]

    def close(self, view: View, *, all_of_them: bool = False) -> None:
        """Close a modal, or the whole stack it stands in."""
        closing = self.stack(view.person) if all_of_them else [view]
        for one in closing:
            self._views.pop(one.id, None)
        left = self.stack(view.person)
        self._told(view.person, left[-1] if left else None)

    def _put(self, view: View) -> View:
        self._views[view.id] = view
        self._told(view.person, view)
        return view

    def _unique(self, body: Json) -> Json:
        name = body.get("external_id")
        if name and any(view.body.get("external_id") == name for view in self._views.values()):
            raise SlackError("duplicate_external_id")
        return body

    def _name(self) -> str:
        return f"V0VIEW{next(self._numbers):05d}"

    def _hash(self) -> str:
        return f"1700000000.h{next(self._numbers):06d}"
