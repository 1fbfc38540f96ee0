"""Element values: the typed field of each element, its initial value, and what may be chosen."""

from typing import Any

import pytest

from fakeslack.block_kit.element_values import choose_value, initial_value, is_stateful, value_of
from fakeslack.errors import SlackError

Json = dict[str, Any]
ONE, TWO = ({"text": {"type": "plain_text", "text": name}, "value": name} for name in ("a", "b"))
GROUPS = [{"label": ONE["text"], "options": [ONE]}, {"label": ONE["text"], "options": [TWO]}]

CHOICES: list[tuple[Json, str, Any, Any]] = [
    ({"type": "static_select", "options": [ONE, TWO]}, "selected_option", "b", TWO),
    ({"type": "static_select", "option_groups": GROUPS}, "selected_option", "b", TWO),
    ({"type": "external_select"}, "selected_option", "b", TWO),
    ({"type": "radio_buttons", "options": [ONE, TWO]}, "selected_option", "a", ONE),
    ({"type": "multi_static_select", "options": [ONE, TWO]}, "selected_options", ["b"], [TWO]),
    ({"type": "multi_external_select"}, "selected_options", ["b"], [TWO]),
    ({"type": "checkboxes", "options": [ONE, TWO]}, "selected_options", ["a", "b"], [ONE, TWO]),
    ({"type": "users_select"}, "selected_user", "U1", "U1"),
    ({"type": "conversations_select"}, "selected_conversation", "C1", "C1"),
    ({"type": "channels_select"}, "selected_channel", "C1", "C1"),
    ({"type": "multi_users_select"}, "selected_users", ["U1", "U2"], ["U1", "U2"]),
    ({"type": "multi_conversations_select"}, "selected_conversations", ["C1"], ["C1"]),
    ({"type": "multi_channels_select"}, "selected_channels", ["C1"], ["C1"]),
    ({"type": "datepicker"}, "selected_date", "2026-11-30", "2026-11-30"),
    ({"type": "timepicker"}, "selected_time", "23:59", "23:59"),
    ({"type": "datetimepicker"}, "selected_date_time", 1_764_500_000, 1_764_500_000),
    ({"type": "plain_text_input"}, "value", "words", "words"),
    ({"type": "number_input"}, "value", "3", "3"),
    ({"type": "email_text_input"}, "value", "a@b.example", "a@b.example"),
    ({"type": "url_text_input"}, "value", "https://b.example", "https://b.example"),
]


@pytest.mark.parametrize(("element", "field", "chosen", "value"), CHOICES)
def test_a_choice_has_the_field_of_its_element(
    element: Json, field: str, chosen: Any, value: Any
) -> None:
    """The state has Slack's field; an untouched or cleared element has null or an empty list."""
    empty: list[Any] | None = [] if isinstance(chosen, list) else None
    assert choose_value(element, chosen, [TWO]) == {"type": element["type"], field: value}
    assert value_of(choose_value(element, chosen, [TWO])) == value
    assert choose_value(element, None) == initial_value(element)
    assert initial_value(element) == {"type": element["type"], field: empty}
    assert is_stateful(element)


@pytest.mark.parametrize(("element", "field", "chosen", "value"), CHOICES)
def test_an_initial_value_is_selected_until_it_is_changed(
    element: Json, field: str, chosen: Any, value: Any
) -> None:
    """`initial_option`, `initial_users` and their siblings preset the state, and may be chosen."""
    preset = {**element, field.replace("selected_", "initial_"): value}
    preset |= {"initial_value": value} if field == "value" else {}
    assert initial_value(preset) == {"type": element["type"], field: value}
    assert choose_value(preset, chosen) == initial_value(preset)


def test_the_conversation_on_screen_may_be_preset() -> None:
    """Only where the element asks for it; `initial_conversation` takes precedence."""
    one = {"type": "conversations_select", "default_to_current_conversation": True}
    many = {**one, "type": "multi_conversations_select"}
    assert value_of(initial_value(one, "C1")) == "C1"
    assert value_of(initial_value(many, "C1")) == ["C1"]
    assert value_of(initial_value({**one, "initial_conversation": "C2"}, "C1")) == "C2"
    assert value_of(initial_value(one)) is None
    assert value_of(initial_value({"type": "conversations_select"}, "C1")) is None


def test_rich_text_is_a_block() -> None:
    """The state of a rich text input holds `rich_text_value`."""
    value = value_of(choose_value({"type": "rich_text_input"}, "words"))
    assert value["elements"][0]["elements"] == [{"type": "text", "text": "words"}]


@pytest.mark.parametrize(
    ("element", "chosen"),
    [
        ({"type": "static_select", "options": [ONE]}, "b"),
        ({"type": "external_select"}, "a"),
        ({"type": "checkboxes", "options": [ONE]}, "a"),
        ({"type": "checkboxes", "options": [ONE]}, ["a", "b"]),
        ({"type": "multi_users_select", "max_selected_items": 1}, ["U1", "U2"]),
        ({"type": "users_select"}, ["U1"]),
        ({"type": "datepicker"}, "2026-11-31"),
        ({"type": "datepicker"}, "20261130"),
        ({"type": "timepicker"}, "24:00"),
        ({"type": "datetimepicker"}, "1764500000"),
        ({"type": "datetimepicker"}, 1),
        ({"type": "datetimepicker"}, True),
        ({"type": "plain_text_input"}, {"value": "a"}),
        ({"type": "file_input"}, ["F1"]),
    ],
)
def test_what_is_not_offered_is_refused(element: Json, chosen: Any) -> None:
    """Unknown options, other shapes, too many items and impossible dates."""
    with pytest.raises(SlackError, match="value_not_found"):
        choose_value(element, chosen)


def test_buttons_and_overflow_menus_have_no_state() -> None:
    """Slack lists only stateful elements in `state.values`."""
    assert not is_stateful({"type": "button"})
    assert not is_stateful({"type": "overflow"})
