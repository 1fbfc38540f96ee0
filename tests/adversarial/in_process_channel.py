"""A channel of an in-process fakeslack, which the product's own Slack clients write to."""

import json
import random
from typing import Any

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.slack.poster import Poster
from contract.job import Job, Thread
from contract.language import Language, Translatable
from contract.slack_budget import Priority
from fakeslack.delivery.events import EventBuilder
from fakeslack.errors import SlackError
from fakeslack.state.changes import Change, ChangeKind
from fakeslack.state.mrkdwn import find_pings, find_unfurls
from fakeslack.ui.visibility import Viewer
from testing.in_memory_workspace import ADA, GENERAL, STARCHAT, InMemoryWorkspace
from tests.adversarial.case import Json
from worker import render
from worker.render import Part, Snippet
from worker.slack.client import RejectedError, SlackClient
from worker.slack.methods import SlackMethod
from worker.slack.thread_messages import ThreadMessages

MAX_TEXT_CHARACTERS = 4_000
"""Maximum characters of a message that Slack lets an app edit."""


class InProcessChannel:
    """A channel of an in-process workspace; `violations` are pings, unfurls and oversized texts."""

    def __init__(self) -> None:
        self.workspace = InMemoryWorkspace()
        self.violations: dict[str, list[str]] = {}
        self._events = EventBuilder(self.workspace.workspace, random.Random(0))  # noqa: S311 - a test's dice
        self._poster = Poster(_InProcessClient(self.workspace))
        self._viewer = Viewer(self.workspace.workspace, ADA)
        self.workspace.workspace.add_listener(self._record_violations)

    def post_as_user(self, text: str) -> tuple[str, list[Json]]:
        """Post as a user; return the `ts` and the event bodies that Slack delivers for it."""
        message = self.workspace.post_message(text, team="T0FAKE0001")
        change = Change(ChangeKind.MESSAGE, GENERAL, message)
        return message.ts, [
            round_trip_json(self._events.build_callback(event))
            for event in self._events.build_events(change)
        ]

    def post_as_bot(self, root: str, text: str) -> None:
        """Post a message as the bot."""
        self._poster.post_in_thread(_build_thread(root), text)

    def post_ephemeral(self, root: str, text: str) -> None:
        """Post an ephemeral message as the bot."""
        self._poster.post_ephemeral(GENERAL, ADA, text, thread_ts=root)

    async def show_reply(self, job: Job, root: str, steps: list[str], parts: list[Part]) -> None:
        """Show the growing reply step by step, then its final parts."""
        local_job = job.model_copy(update={"thread": _build_thread(root), "ts": root})
        thread = ThreadMessages(_InProcessSlack(self.workspace), local_job, float("inf"))
        ts = await thread.post_part(render.compose_growing("", Language.ENGLISH), 1, "placeholder")
        for text in steps:
            await thread.edit_message(ts, render.compose_growing(text, Language.ENGLISH), "growing")
        await self.show_parts(thread, ts, parts)

    async def show_refusal(self, job: Job, root: str, sentence: Translatable) -> None:
        """Show the worker's error message instead of a reply."""
        await self.show_reply(job, root, [], [render.compose_status(sentence, Language.ENGLISH)])

    @staticmethod
    async def show_parts(thread: ThreadMessages, ts: str, parts: list[Part]) -> None:
        """Show the final parts of a reply."""
        for number, part in enumerate(parts, 1):
            if isinstance(part, Snippet):
                await thread.files.share_file(await thread.files.upload_file(part), part)
            elif number == 1:
                await thread.edit_message(ts, part, "final")
            else:
                await thread.post_part(part, number, "final")

    def list_bot_messages(self, root: str) -> list[Json]:
        """Return the bot's messages in a thread, as the user who asked sees them."""
        messages = self._viewer.list_messages(GENERAL, root)
        return [message for message in messages if message.get("user") == STARCHAT]

    def _record_violations(self, change: Change) -> None:
        message = change.message
        if message is None or message.user != STARCHAT:
            return
        found = [f"ping {ping}" for ping in find_pings(message)]
        found += [f"unfurl {url}" for url in find_unfurls(message)]
        if len(message.text) > MAX_TEXT_CHARACTERS:
            found.append(f"text of {len(message.text)}")
        if found:
            self.violations.setdefault(str(message.thread_ts), []).extend(found)


def round_trip_json(value: Json) -> Json:
    """Return a value after JSON serialization and parsing."""
    parsed: Json = json.loads(json.dumps(value))
    return parsed


def _build_thread(root: str) -> Thread:
    return Thread(team="T0FAKE0001", channel=GENERAL, ts=root)


class _InProcessSlack(SlackClient):
    """The worker's Slack client, connected to the in-process workspace."""

    def __init__(self, workspace: InMemoryWorkspace) -> None:
        self._workspace = workspace
        self._author = None

    async def call(
        self,
        method: SlackMethod,
        team: str,
        arguments: dict[str, Any],
        deadline: float,
        priority: Priority = Priority.REPLY,
    ) -> dict[str, Any]:
        try:
            return round_trip_json(
                self._workspace.call_method(method.name, **round_trip_json(arguments))
            )
        except SlackError as refusal:
            raise RejectedError(refusal.error, *refusal.messages) from None

    async def upload_content(self, url: str, content: bytes) -> None:
        self._workspace.workspace.files.store_content(url.rpartition("/")[2], content)


class _InProcessClient(WebClient):
    """The bot's Slack client, connected to the in-process workspace."""

    def __init__(self, workspace: InMemoryWorkspace) -> None:
        super().__init__()
        self._workspace = workspace

    def api_call(self, api_method: str, **more: Any) -> SlackResponse:
        arguments = {n: v for n, v in (more.get("json") or more["params"]).items() if v is not None}
        answer = self._workspace.call_method(api_method, **round_trip_json(arguments))
        return SlackResponse(
            client=self,
            http_verb="POST",
            api_url=api_method,
            req_args={},
            data={"ok": True, **answer},
            headers={},
            status_code=200,
        )
