"""Controls below a finished reply."""

from contract.reply_controls import build_controls


def test_only_the_asker_sees_the_controls() -> None:
    """In a direct message, everyone of it does."""
    [button] = build_controls("1.0", "2.0", "U1", is_direct=False)["elements"]
    assert (button["value"], button["visible_to_user_ids"]) == ("1.0 2.0 U1", ["U1"])
    [button] = build_controls("1.0", "2.0", "U1", is_direct=True)["elements"]
    assert "visible_to_user_ids" not in button
