"""Fields of payloads that may hold anything."""

import pytest

from bot.messages.content.json_fields import read_sender


@pytest.mark.parametrize(
    ("body", "user"),
    [
        ({"user": {"id": "U1"}}, "U1"),
        ({"user": {"id": ["U1"]}}, ""),
        ({"user": "U1"}, ""),
        ({}, ""),
    ],
)
def test_sender_is_read_leniently(body: dict[str, object], user: str) -> None:
    """A payload without a readable sender names no one."""
    assert read_sender(body) == user
