"""Asks through the page as a person would, and follows the thread until the reply is whole."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from contract.keys import METADATA
from demo.event_stream import Stream

Json = dict[str, Any]

PERSON: Final = "U0ADA00001"
CHANNEL: Final = "C0GENERAL1"
ENDS: Final = ("final", "error")
"""States after which a message does not change any more."""
PARTS: Final = re.compile(r"^Part 1 of (\d+)$")
PATIENCE: Final = 20.0
"""Seconds that the page may take for an answer of its own."""
SILENCE: Final = 180.0
"""Seconds without any sign of life after which nobody will answer."""


class NoAnswerError(Exception):
    """The question got no answer; the message is one line for the person."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The bot's messages in the thread so far, in order, and how far they are."""

    messages: tuple[Json, ...]
    state: str

    @property
    def whole(self) -> bool:
        """Whether the reply has ended, well or not."""
        return self.state in ENDS


class Page:
    """What the page of the workspace at `address` lets its person do."""

    def __init__(self, address: str, person: str = PERSON) -> None:
        """Speak as `person`; nothing is asked yet."""
        self.address = address
        self._who = urlencode({"user": person})
        self._person = person

    def connected(self) -> bool:
        """Whether the bot is connected to the workspace."""
        try:
            return bool(self._app()["connected"])
        except OSError:
            return False

    def ask(
        self, question: str, look: Callable[[], None] | None = None, silence: float = SILENCE
    ) -> Iterator[Reply]:
        """
        Mention the bot with a question and yield its reply each time that it grows.

        `look` is called whenever nothing happens, and may raise what it finds. Raises
        `NoAnswerError` when nothing is heard for `silence` seconds or the page is gone.
        """
        try:
            with Stream(self.address, f"/_page/events?{self._who}") as stream:
                ts = self._post(f"@{self._app()['name']} {question}")
                yield from _grown(_patient(stream.changes(), look, silence), ts)
        except (OSError, HTTPException) as error:
            raise NoAnswerError("the page of the workspace does not answer") from error

    def _app(self) -> Json:
        with urlopen(  # noqa: S310  our own page
            f"{self.address}/_page/state?{self._who}", timeout=PATIENCE
        ) as answer:
            app: Json = json.load(answer)["app"]
        return app

    def _post(self, text: str) -> str:
        body = {"user": self._person, "channel": CHANNEL, "text": text}
        request = Request(  # noqa: S310  our own page
            f"{self.address}/_page/post",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            found = json.load(answer)
        if not found.get("ok"):
            raise NoAnswerError(f"the workspace refused the question: {found.get('error')}")
        return str(found["ts"])


def _patient(
    changes: Iterator[Json | None], look: Callable[[], None] | None, silence: float
) -> Iterator[Json]:
    """Pass changes on; look around in between, and give up after a long silence."""
    heard = time.monotonic()
    for change in changes:
        if change is not None:
            heard = time.monotonic()
            yield change
        elif look is not None:
            look()
        if time.monotonic() - heard > silence:
            raise NoAnswerError(f"no answer for {silence:.0f} s")
    raise NoAnswerError("the workspace is gone")


def _grown(changes: Iterator[Json], thread: str) -> Iterator[Reply]:
    """Yield the reply in `thread` after each change of it, until it is whole."""
    messages: dict[str, Json] = {}
    for change in changes:
        if change.get("thread_ts") != thread or "bot_id" not in change.get("message", {}):
            continue
        if change["type"] == "message_deleted":
            messages.pop(change["ts"], None)
        else:
            messages[change["ts"]] = change["message"]
        reply = _reply(messages)
        yield reply
        if reply.whole:
            return


def _reply(messages: dict[str, Json]) -> Reply:
    ordered = tuple(messages[ts] for ts in sorted(messages))
    if not ordered:
        return Reply((), "none")
    states = {_state(message) for message in ordered}
    unfinished = states - set(ENDS)
    if not unfinished and len(ordered) < _promised(ordered[0]):
        unfinished = {"growing"}
    return Reply(ordered, min(unfinished or states))


def _state(message: Json) -> str:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != METADATA:
        return "none"
    return str(metadata.get("event_payload", {}).get("state", "none"))


def _promised(first: Json) -> int:
    """Return how many parts the small print of the first message speaks of."""
    said = [
        str(element.get("text", ""))
        for block in first.get("blocks") or []
        if block.get("type") == "context"
        for element in block.get("elements", [])
    ]
    return max((int(number) for text in said for number in PARTS.findall(text)), default=1)
