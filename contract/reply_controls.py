"""Controls below a finished reply: quiet buttons for the person who asked."""

from typing import Any, Final

DELETE_ACTION_ID: Final = "delete_reply"
"""`action_id` of the button that deletes a reply."""


def build_controls(thread_ts: str, ts: str, user: str, *, is_direct: bool) -> dict[str, Any]:
    """
    Return the block with the controls of the reply to the question at `ts`, which `user` asked.

    Others do not see them, except in a direct message. The values hold all that a press needs:
    Redis forgets a job an hour after its end.
    """
    button: dict[str, Any] = {
        "type": "icon_button",
        "action_id": DELETE_ACTION_ID,
        "icon": "trash",
        "text": {"type": "plain_text", "text": "Delete this reply"},
        "accessibility_label": "Delete this reply",
        "value": f"{thread_ts} {ts} {user}",
        "confirm": {
            "title": {"type": "plain_text", "text": "Delete this reply?"},
            "text": {
                "type": "plain_text",
                "text": "I'll delete all of its messages and files. Your question stays.",
            },
            "confirm": {"type": "plain_text", "text": "Delete"},
            "deny": {"type": "plain_text", "text": "Keep"},
        },
    }
    if not is_direct:
        button["visible_to_user_ids"] = [user]
    return {"type": "context_actions", "elements": [button]}
