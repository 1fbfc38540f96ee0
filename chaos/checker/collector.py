"""
Collector: builds the history of a run from the workspace's journal and the processes' logs.

A question is a user's message with a token such as `q17-ab12`, or the app's message for a user who
asked by a form. The metadata of the app's messages
gives their state. Without metadata, a message with a token is a reply, one with the word "error"
is an error, and any other is a placeholder.
"""

import hashlib
import json
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

from chaos.checker.history import (
    ApiCall,
    Canary,
    Delivery,
    History,
    LeakFinding,
    LogLine,
    Mention,
    Message,
    Place,
    ResourceSample,
    State,
    Version,
)
from contract import keys
from testing.processes import Process
from testing.workspace import APP_TOKEN, BOT_TOKEN, STARCHAT, Json, Workspace

TOKEN_PATTERN: Final = re.compile(r"\bq\d+-[0-9a-f]{4,}\b")
WORD_PATTERN: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
QUESTION_EVENTS: Final = frozenset({"app_mention", "message"})
"""Events that deliver a question to the app."""


def make_token(number: int, seed: int = 0) -> str:
    """Return a token for the question of this number, unique in a run."""
    digest = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()
    return f"q{number}-{digest[:6]}"


def collect_history(
    workspace: Workspace,
    processes: Iterable[Process] = (),
    *,
    secrets: Iterable[str] = (BOT_TOKEN, APP_TOKEN),
    canaries: Iterable[Canary] = (),
    samples: Iterable[ResourceSample] = (),
    finds: Iterable[LeakFinding] = (),
) -> History:
    """
    Return the history of a workspace so far, with the log lines of `processes`.

    Raises `AssertionError` if the workspace no longer has its first records.
    """
    team = str(workspace.read_state()["team"]["id"])
    threads = _HistoryBuilder(team)
    for change in workspace.message_changes():
        threads.add_change(change)
    calls = workspace.api_calls()
    deliveries = workspace.get_json("_control/deliveries")
    envelopes = deliveries["deliveries"]
    assert not lacks_beginning(calls, deliveries["first"]), (
        "the workspace no longer has its first records"
    )
    return History(
        mentions=tuple(_attach_deliveries(threads.mentions, envelopes)),
        messages=tuple(threads.messages.values()),
        calls=tuple(_read_call(call) for call in calls),
        lines=tuple(_collect_lines(processes)),
        samples=tuple(samples),
        canaries=tuple(canaries),
        finds=tuple(finds),
        secrets=tuple(secrets),
        ended_at=time.monotonic(),
    )


def lacks_beginning(calls: list[Json], first: int) -> bool:
    """Return whether the workspace has dropped calls, or the deliveries before the `first`."""
    return bool(first or (calls and calls[0]["number"]))


class _HistoryBuilder:
    """Builds mentions and messages of a history from one change after the other."""

    def __init__(self, team: str) -> None:
        self.mentions: dict[str, Mention] = {}
        self.messages: dict[str, Message] = {}
        self._team = team

    def add_change(self, change: Json) -> None:
        """Add the post, edit or deletion of a message."""
        body = change["message"]
        place = Place(self._team, change["channel"], body.get("thread_ts") or body["ts"])
        is_own = body.get("user") == STARCHAT and not is_asked(body)
        add_message = self._add_own_message if is_own else self._add_question
        add_message(change["type"], change["at"], place, body)

    def _add_own_message(self, kind: str, at: float, place: Place, body: Json) -> None:
        ts = body["ts"]
        known = self.messages.get(ts)
        if kind == "message_deleted":
            if known is not None:
                self.messages[ts] = replace(known, deleted_at=at)
        elif kind in {"message", "message_changed"}:
            versions = known.versions if known is not None else ()
            self.messages[ts] = Message(ts, place, (*versions, _read_version(at, body)))

    def _add_question(self, kind: str, at: float, place: Place, body: Json) -> None:
        ts = body["ts"]
        found, known = TOKEN_PATTERN.search(str(body.get("text", ""))), self.mentions.get(ts)
        if kind == "message" and found is not None and ("bot_id" not in body or is_asked(body)):
            self.mentions[ts] = Mention(ts, place, found.group(), at)
        elif kind == "message_deleted" and known is not None:
            self.mentions[ts] = replace(known, deleted_at=at)
        elif kind == "message_changed" and known is not None and "edited" in body:
            self.mentions[ts] = replace(known, edited_at=known.edited_at or at)


def is_asked(body: Json) -> bool:
    """Return whether the app posted a message as a question of a person."""
    blocks = body.get("blocks") or ()
    return any(str(block.get("block_id", "")).startswith("asked ") for block in blocks)


def _read_version(at: float, body: Json) -> Version:
    words = frozenset(word for text in _iterate_texts(body) for word in WORD_PATTERN.findall(text))
    metadata = body.get("metadata") or {}
    is_own = metadata.get("event_type") == keys.METADATA_EVENT_TYPE
    payload = metadata.get("event_payload", {}) if is_own else {}
    look = json.dumps([body.get(name) for name in ("text", "blocks", "attachments", "files")])
    return Version(
        at=at,
        state=State(payload["state"]) if is_own else _infer_state(body, words),
        look=hashlib.sha256(look.encode()).hexdigest(),
        words=words,
        question=payload.get("question"),
        part=str(payload["part"]) if is_own else _infer_part(body),
        pings=len(body["pings"]) - _names_requester(body),
        unfurls=len(body["unfurls"]),
    )


def _names_requester(body: Json) -> bool:
    """Return whether the words above current code mention the person who asked for it."""
    return bool(body.get("files")) and len(body["pings"]) == 1


def _infer_state(body: Json, words: frozenset[str]) -> State:
    """Return the state of a message without metadata."""
    blocks = body.get("blocks") or []
    if blocks and all(block["type"] == "context" for block in blocks):
        return State.NOTICE
    if body.get("files") or any(TOKEN_PATTERN.fullmatch(word) for word in words):
        return State.FINAL
    if any(word.lower() == "error" for word in words):
        return State.ERROR
    return State.PLACEHOLDER


def _infer_part(body: Json) -> str:
    files = ", ".join(str(file.get("id")) for file in body.get("files") or ())
    return f"file {files}" if files else "1"


def _iterate_texts(value: Any) -> Iterator[str]:
    """Yield every text of a message, also inside its blocks."""
    if isinstance(value, list):
        for inner in value:
            yield from _iterate_texts(inner)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and name in {"text", "url", "fallback"}:
                yield inner
            elif name in {"text", "blocks", "elements", "attachments", "fields"}:
                yield from _iterate_texts(inner)


def _attach_deliveries(mentions: dict[str, Mention], envelopes: list[Json]) -> Iterator[Mention]:
    deliveries: defaultdict[str, list[Delivery]] = defaultdict(list)
    for envelope in envelopes:
        if envelope["event_type"] in QUESTION_EVENTS and envelope["ts"] in mentions:
            acknowledged = envelope["acked_at"]
            delivery = Delivery(
                envelope["event_type"], envelope["sent_at"], acknowledged, envelope["attempt"]
            )
            deliveries[envelope["ts"]].append(delivery)
    for ts, mention in mentions.items():
        yield replace(mention, deliveries=tuple(deliveries[ts]))


def _read_call(call: Json) -> ApiCall:
    arguments = call["args"]
    return ApiCall(
        at=call["at"],
        method=call["method"],
        channel=str(arguments.get("channel") or ""),
        target=_describe_target(arguments),
        seconds=call["seconds"],
        status=call["status"],
        error=call["error"],
        retry_after=_parse_seconds(call["retry_after"]),
    )


def _describe_target(arguments: Json) -> str:
    """Return the target of a call: a message, or the reply to one question in a thread."""
    if "ts" in arguments:
        return f"{arguments.get('channel')} {arguments['ts']}"
    metadata = arguments.get("metadata") or {}
    if isinstance(metadata, str):
        metadata = json.loads(metadata)
    quoted_token = TOKEN_PATTERN.search(str(arguments.get("text", "")))
    question = metadata.get("event_payload", {}).get("question") or (
        quoted_token and quoted_token.group()
    )
    return f"{arguments.get('channel')} {arguments.get('thread_ts')} {question}"


def _parse_seconds(header: str | None) -> float | None:
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None


def _collect_lines(processes: Iterable[Process]) -> Iterator[LogLine]:
    for process in processes:
        name = f"{process.module} {process.pid}"
        for line in list(process.lines):
            yield LogLine(name, line)
