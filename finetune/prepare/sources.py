"""Forms of input: the bot's export of votes, messages with roles, and one text with marks. Pure."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from contract.conversation import Speaker
from finetune.dialogue_files import Provenance
from finetune.prepare.dialogues import Dialogue, UnusableDialogueError, build_dialogue

TEXT_MARKS: Final = re.compile(r"### (Human|Assistant):")
NUMBERED_USER: Final = re.compile(r"User [0-9]{1,6}", re.ASCII)
TEXT_ROLES: Final = {"Human": str(Speaker.USER), "Assistant": str(Speaker.ASSISTANT)}


class LineParser:
    """Parses lines of any form. Votes are kept for `retention_days` before `now`."""

    def __init__(self, retention_days: int, now: datetime) -> None:
        """Use the retention of the bot's database, and one moment for all lines."""
        self._retention = timedelta(days=retention_days)
        self._now = now

    def parse_line(self, line: bytes | None) -> Dialogue:
        """Return the dialogue of a line, `None` if too long. Raises `UnusableDialogueError`."""
        if line is None:
            raise UnusableDialogueError("line too long")
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise UnusableDialogueError("no JSON") from None
        match data:
            case {"votes": list(votes)}:
                return self._read_votes(data, votes)
            case {"messages": list(messages)}:
                turns = (_read_message(message) for message in messages)
                return build_dialogue(turns, Provenance(kind="messages"), data.get("thread"))
            case {"text": str(text)}:
                return build_dialogue(_split_text(text), Provenance(kind="text"))
            case _:
                raise UnusableDialogueError("neither votes, messages nor text")

    def _read_votes(self, data: dict[str, Any], votes: list[Any]) -> Dialogue:
        """Return the dialogue of a reply that more people approved than rejected."""
        conversation, reply = data.get("conversation"), data.get("reply")
        if not isinstance(conversation, list) or not isinstance(reply, str):
            raise UnusableDialogueError("votes without a stored text")
        if not conversation or not _is_question(conversation[-1]):
            raise UnusableDialogueError("no question before the reply")
        read = [vote for vote in votes if isinstance(vote, dict)]
        approvals, rejections = count_opinions(read)
        if approvals <= rejections:
            raise UnusableDialogueError("not approved by votes")
        # The text of a reply ends by the reply's own age, the vote by the last press.
        posted = [data["message_ts"]] if "message_ts" in data else []
        times = [*posted, *(vote.get("voted_at") for vote in read)]
        kept_until = min(self._end_retention(_read_time(time)) for time in times)
        if kept_until < self._now:
            raise UnusableDialogueError("older than the retention of votes")
        provenance = Provenance(
            kind="votes",
            model=_read_text(data, "model"),
            revision=_read_text(data, "revision"),
            approvals=approvals,
            rejections=rejections,
            delete_after=kept_until.date(),
        )
        thread = "/".join(_read_text(data, name) for name in ("team", "channel", "thread_ts"))
        turns = [*_name_users(conversation), (str(Speaker.ASSISTANT), reply)]
        dialogue = build_dialogue(turns, provenance, thread)
        last = len(dialogue.messages) - 1
        return Dialogue(dialogue.thread, "", dialogue.messages, provenance, learned_from=last)

    def _end_retention(self, voted_at: datetime) -> datetime:
        try:
            return voted_at + self._retention
        except OverflowError:
            raise UnusableDialogueError("vote without a time") from None


def count_opinions(votes: list[Any]) -> tuple[int, int]:
    """Return how many votes of an exported reply approve it, and how many reject it."""
    read = [vote for vote in votes if isinstance(vote, dict)]
    approvals = sum(vote.get("opinion") == "up" or vote.get("ran") is True for vote in read)
    return approvals, sum(vote.get("opinion") == "down" for vote in read)


def _is_question(turn: object) -> bool:
    return isinstance(turn, dict) and turn.get("role") == str(Speaker.USER)


def _read_message(message: object) -> tuple[object, object]:
    if not isinstance(message, dict):
        raise UnusableDialogueError("message that is no object")
    return message.get("role"), message.get("content")


def _split_text(text: str) -> Iterator[tuple[object, object]]:
    before, *parts = TEXT_MARKS.split(text)
    if before.strip():
        raise UnusableDialogueError("text before the first mark")
    for name, content in zip(parts[::2], parts[1::2], strict=True):
        yield TEXT_ROLES[name], content.strip()


def _read_text(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _read_time(value: Any) -> datetime:
    """Return the time of a vote or a reply, by Slack's timestamp."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise UnusableDialogueError("vote without a time") from None


def _name_users(conversation: list[Any]) -> Iterator[tuple[object, object]]:
    """
    Yield the turns; if several users speak, each with the number that the bot gave its user.

    Raises `UnusableDialogueError` for users without one: such texts have Slack's markup and ids.
    """
    turns = [turn for turn in conversation if isinstance(turn, dict)]
    users = {str(turn.get("user")) for turn in turns if turn.get("role") == "user"}
    if not all(map(NUMBERED_USER.fullmatch, users)):
        raise UnusableDialogueError("conversation in Slack's own form")
    for turn in turns:
        role, text = turn.get("role"), turn.get("text")
        if role == "user" and len(users) > 1 and isinstance(text, str) and text.strip():
            text = f"{turn['user']}: {text}"
        yield role, text
