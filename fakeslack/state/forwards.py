"""Forwarded messages: the attachment in which Slack carries a message to another channel. Pure."""

from fakeslack.errors import Json, SlackError
from fakeslack.state.messages import Message
from fakeslack.state.workspace import Workspace


def forward_message(
    workspace: Workspace, message: Message, person: str, channel: str, comment: str
) -> Message:
    """
    Post a person's forward of a message, with a comment or without.

    Raises `channel_not_found` if the person is not a member of both channels, `message_not_found`
    if the message was deleted.
    """
    if message.is_tombstone:
        raise SlackError("message_not_found")
    if any(person not in workspace.channels[each].members for each in (message.channel, channel)):
        raise SlackError("channel_not_found")
    body = {
        "user": person,
        "team": workspace.get_person(person).team,
        "text": comment,
        "attachments": [build_share(workspace, message)],
    }
    return workspace.post_message(channel, body)


def build_share(workspace: Workspace, message: Message) -> Json:
    """Return the attachment of a forwarded message."""
    author = workspace.people[message.user]
    link = f"{workspace.base_url}/archives/{message.channel}/p{message.ts.replace('.', '')}"
    shared = {"blocks": message.body.get("blocks", [])}
    share = {
        "id": 1,
        "ts": message.ts,
        "author_id": author.id,
        "author_name": author.real_name or author.name,
        "author_subname": author.name,
        "author_link": f"{workspace.base_url}/team/{author.id}",
        "channel_id": message.channel,
        "channel_team": author.team,
        "is_msg_unfurl": True,
        "is_share": True,
        "from_url": link,
        "original_url": link,
        "fallback": f"[{message.ts}] {author.name}: {message.text}",
        "text": message.text,
        "mrkdwn_in": ["text"],
        "footer": "Slack Conversation",
        "files": message.body.get("files"),
        "message_blocks": [
            {
                "team": author.team,
                "channel": message.channel,
                "ts": message.ts,
                "message": shared,
            }
        ],
    }
    return {name: value for name, value in share.items() if value is not None}
