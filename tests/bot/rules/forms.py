"""Submitted forms of channels' rules, as Slack sends them."""

from typing import Any

from bot.rules.submission import FormAddress

Json = dict[str, Any]


def make_state(**typed: Any) -> Json:
    """Return the state of a form's inputs; those that are not given are untouched."""
    values: Json = {
        "who": "everyone",
        "users": [],
        "group": "",
        "prompt": "",
        "max_new_tokens": "",
        "temperature": "",
        "top_k": "",
        "top_p": "",
        "candidates": "",
        "without_mention": False,
        "streaming": "unset",
        "language": "unset",
        "asked_before": False,
    } | typed
    return {key: {"value": _make_value(key, value)} for key, value in values.items()}


def make_body(
    channel: str, version: int, *, user: str = "U1A", view_id: str = "V1", **typed: Any
) -> Json:
    """Return the `view_submission` of a form."""
    return {
        "type": "view_submission",
        "user": {"id": user},
        "view": {
            "id": view_id,
            "private_metadata": FormAddress(channel, version).to_json(),
            "state": {"values": make_state(**typed)},
        },
    }


def _make_value(key: str, value: Any) -> Json:
    match key:
        case "who" | "streaming" | "language":
            return {"selected_option": None if value is None else {"value": value}}
        case "users":
            return {"selected_users": value}
        case "without_mention" | "asked_before":
            return {"selected_options": [{"value": "true"}] if value else []}
    return {"value": value or None}
