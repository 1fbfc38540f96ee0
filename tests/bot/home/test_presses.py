"""Presses on the Home tab: what they ask for, and what they cannot."""

from typing import Any

import pytest

from bot.home.presses import HomePress, LanguageChosen, ListCleared, parse_home_press
from contract.language import Language

Json = dict[str, Any]


def make_press(action: Json, **more: Any) -> Json:
    """Return the body of a press."""
    return {"user": {"id": "U1"}, "view": {"type": "home"}, "actions": [action]} | more


def choose(value: object) -> Json:
    """Return the action of a chosen language."""
    return {"action_id": "home_language", "selected_option": {"value": value}}


CLEAR: Json = {"action_id": "home_clear", "value": "1"}


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (choose("slack"), LanguageChosen("U1", None)),
        (choose("en"), LanguageChosen("U1", Language.ENGLISH)),
        (choose("zh_CN"), LanguageChosen("U1", Language.CHINESE)),
        (CLEAR, ListCleared("U1")),
    ],
)
def test_press_concerns_its_person_alone(action: Json, expected: HomePress) -> None:
    """A language, or the list."""
    assert parse_home_press(make_press(action)) == expected


@pytest.mark.parametrize(
    "body",
    [
        {},
        make_press(choose("tlh")),
        make_press(choose(None)),
        make_press(choose(["en"])),
        make_press({"action_id": "home_language"}),
        make_press({"action_id": "other"}),
        make_press(CLEAR, user={"id": "U1 U2"}),
        make_press(CLEAR, user={"id": None}),
        make_press(CLEAR, user=None),
        make_press(CLEAR, view={"type": "modal"}),
        make_press(CLEAR, view=None),
        make_press(CLEAR, actions=[]),
    ],
)
def test_malformed_press_asks_for_nothing(body: Json) -> None:
    """Unknown languages, and parts that are missing or of a wrong type."""
    assert parse_home_press(body) is None
