"""Client of the workspace page: asks a question as a person and follows the bot's reply."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from contract.keys import METADATA_EVENT_TYPE
from demo.event_stream import EventStream

Json = dict[str, Any]

USER: Final = "U0ADA00001"
CHANNEL: Final = "C0GENERAL1"
FINAL_STATES: Final = ("final", "error", "pointer")
"""States after which a message no longer changes."""
PART_COUNT_PATTERN: Final = re.compile(r"^Part 1 of (\d+)$")
REQUEST_TIMEOUT_SECONDS: Final = 20.0
"""Seconds to wait for an HTTP response of the page."""
SILENCE_TIMEOUT_SECONDS: Final = 180.0
"""Seconds without any change after which the question counts as unanswered."""


class NoAnswerError(Exception):
    """The question got no reply; the message is one line for the person."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The bot's messages in the thread so far, in order, and their common state."""

    messages: tuple[Json, ...]
    state: str

    @property
    def is_complete(self) -> bool:
        """Whether the reply has ended, with or without an error."""
        return self.state in FINAL_STATES


class PageClient:
    """One person on the page of the workspace at `address`."""

    def __init__(self, address: str, user: str = USER) -> None:
        """Prepare requests as `user`; send nothing yet."""
        self.address = address
        self._user_query = urlencode({"user": user})
        self._user = user

    def is_bot_connected(self) -> bool:
        """Whether the bot is connected to the workspace."""
        try:
            return bool(self._fetch_state()["app"]["connected"])
        except OSError:
            return False

    def ask_question(
        self,
        question: str,
        check: Callable[[], None] | None = None,
        silence_timeout: float = SILENCE_TIMEOUT_SECONDS,
    ) -> Iterator[Reply]:
        """
        Mention the bot with a question and yield its reply after every change.

        Calls `check` whenever the stream is idle; an error of `check` ends the iteration. Raises
        `NoAnswerError` after `silence_timeout` seconds without a change, or if the page stops.
        """
        try:
            with EventStream(self.address, f"/_page/events?{self._user_query}") as stream:
                state = self._fetch_state()
                text = f"@{state['app']['name']} {question}"
                ts = self._post_question(text, str(state["token"]))
                yield from _follow_reply(
                    _watch_for_silence(stream.iterate_changes(), check, silence_timeout), ts
                )
        except (OSError, HTTPException) as error:
            raise NoAnswerError("the workspace does not respond") from error

    def _fetch_state(self) -> Json:
        with urlopen(  # noqa: S310  our own page
            f"{self.address}/_page/state?{self._user_query}", timeout=REQUEST_TIMEOUT_SECONDS
        ) as response:
            state: Json = json.load(response)
        return state

    def _post_question(self, text: str, token: str) -> str:
        body = {"user": self._user, "channel": CHANNEL, "text": text}
        request = Request(  # noqa: S310  our own page
            f"{self.address}/_page/post",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "X-Fakeslack-Token": token},
        )
        with urlopen(request, timeout=REQUEST_TIMEOUT_SECONDS) as response:  # noqa: S310
            result = json.load(response)
        if not result.get("ok"):
            raise NoAnswerError(f"the workspace refused the question: {result.get('error')}")
        return str(result["ts"])


def _watch_for_silence(
    changes: Iterator[Json | None], check: Callable[[], None] | None, timeout: float
) -> Iterator[Json]:
    """Yield changes; call `check` between them. Raises `NoAnswerError` after `timeout` seconds."""
    last_change_at = time.monotonic()
    for change in changes:
        if change is not None:
            last_change_at = time.monotonic()
            yield change
        elif check is not None:
            check()
        if time.monotonic() - last_change_at > timeout:
            raise NoAnswerError(f"no sign of a reply for {timeout:.0f} s")
    raise NoAnswerError("the workspace has stopped")


def _follow_reply(changes: Iterator[Json], thread: str) -> Iterator[Reply]:
    """Yield the reply in `thread` after each of its changes, until it is complete."""
    messages: dict[str, Json] = {}
    for change in changes:
        if change.get("thread_ts") != thread or "bot_id" not in change.get("message", {}):
            continue
        if change["type"] == "message_deleted":
            messages.pop(change["ts"], None)
        else:
            messages[change["ts"]] = change["message"]
        reply = _assemble_reply(messages)
        yield reply
        if reply.is_complete:
            return


def _assemble_reply(messages: dict[str, Json]) -> Reply:
    ordered = tuple(messages[ts] for ts in sorted(messages))
    if not ordered:
        return Reply((), "none")
    states = {_parse_state(message) for message in ordered}
    unfinished = states - set(FINAL_STATES)
    if not unfinished and len(ordered) < _count_parts(ordered[0]):
        unfinished = {"growing"}
    return Reply(ordered, min(unfinished or states))


def _parse_state(message: Json) -> str:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != METADATA_EVENT_TYPE:
        return "none"
    return str(metadata.get("event_payload", {}).get("state", "none"))


def _count_parts(first: Json) -> int:
    """Return the number of parts from the first message's context block; 1 if it has none."""
    texts = [
        str(element.get("text", ""))
        for block in first.get("blocks") or []
        if block.get("type") == "context"
        for element in block.get("elements", [])
    ]
    return max(
        (int(number) for text in texts for number in PART_COUNT_PATTERN.findall(text)), default=1
    )
