"""Reply watcher: follows the workspace's messages until every question has ended."""

import time
from collections.abc import Iterable
from typing import Any, Final

from chaos.checker.collector import TOKEN_PATTERN, is_asked
from chaos.checker.history import END_STATES
from chaos.load import Question
from testing.worker_harness import reply_metadata
from testing.workspace import STARCHAT, Json, Workspace
from worker import render

MAX_POLL_SECONDS: Final = 60.0
"""Maximum duration of the workspace's long poll."""
POLL_PAUSE_SECONDS: Final = 0.1
"""Pause after a change: changes come in bursts, and a read of each would take a core."""
RETRY_NOTICE: Final = str(render.texts.RETRYING)
"""Text of a reply whose generation was restarted."""


class ReplyWatcher:
    """Reads each change of the workspace once, and keeps the states of each question's messages."""

    def __init__(self, workspace: Workspace) -> None:
        """Watch changes from now on."""
        self._workspace = workspace
        self._next_change = int(workspace.get_json("_control/wait", since=0, timeout=0)["next"])
        self._ended_at: dict[str, float] = {}
        self._retry_announced: set[str] = set()
        self._versions: dict[str, list[tuple[str, str]]] = {}

    def find_open(self, questions: Iterable[Question]) -> list[Question]:
        """Return the questions without a final reply, error or notice."""
        self._read_changes()
        return [q for q in questions if not {q.ts, q.token} & self._ended_at.keys()]

    def wait_for_replies(self, questions: Iterable[Question], timeout: float) -> list[Question]:
        """Wait up to `timeout` seconds until all questions have ended; return the open ones."""
        deadline = time.monotonic() + timeout
        open_questions = self.find_open(questions)
        while open_questions and (remaining := deadline - time.monotonic()) > 0:
            self.wait_for_change(remaining)
            open_questions = self.find_open(open_questions)
        return open_questions

    def count_versions(self, question: Question, state: str) -> int:
        """Return the number of message versions of a question in this state."""
        self._read_changes()
        return sum(state == found for found, _ in self._versions.get(question.ts, []))

    def saw_retry_notice(self, question: Question) -> bool:
        """Return whether the retry notice was shown for a question."""
        self._read_changes()
        return question.ts in self._retry_announced

    def wait_for_state(self, question: Question, state: str, timeout: float = 0.0) -> bool:
        """Wait until a question's message has this state or has ended; return whether it had it."""
        deadline = time.monotonic() + timeout
        while not self.count_versions(question, state):
            has_ended = not self.find_open([question])
            if has_ended or not self.wait_for_change(deadline - time.monotonic()):
                # The end itself may be that state.
                return bool(self.count_versions(question, state))
        return True

    def wait_for_change(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for any change in the workspace; return whether one came."""
        if timeout <= 0:
            return False
        query = {"since": self._next_change, "timeout": min(timeout, MAX_POLL_SECONDS)}
        happened = self._workspace.get_json("_control/wait", **query)["happened"]
        time.sleep(POLL_PAUSE_SECONDS)
        return bool(happened)

    def list_messages(self, question: Question) -> list[str]:
        """Return the timestamps of a question's messages, oldest first."""
        self._read_changes()
        return list(dict.fromkeys(ts for _, ts in self._versions.get(question.ts, [])))

    def measure_wait(self, question: Question) -> float:
        """Return the seconds from a question to its end. Raises `KeyError` if it has not ended."""
        return self._ended_at[question.ts] - question.asked_at

    def _read_changes(self) -> None:
        found = self._workspace.get_json("_control/changes", since=self._next_change)
        self._next_change = int(found["next"])
        for change in found["changes"]:
            message: Json = change["message"]
            is_reply = message.get("user") == STARCHAT and not is_asked(message)
            if is_reply and change["type"] != "message_deleted":
                self._record_version(change["at"], message, reply_metadata(message))

    def _record_version(self, at: float, message: Json, metadata: dict[str, Any]) -> None:
        if metadata:
            if message.get("text") == RETRY_NOTICE:
                self._retry_announced.add(metadata["question"])
            self._versions.setdefault(metadata["question"], []).append(
                (metadata["state"], message["ts"])
            )
            if metadata["state"] in END_STATES:
                self._ended_at.setdefault(metadata["question"], at)
            return
        # A baseline sets no metadata: its reply repeats the token.
        for name in TOKEN_PATTERN.findall(str(message.get("text"))):
            self._ended_at.setdefault(name, at)
