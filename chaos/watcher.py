"""Follows what the workspace shows until every question that was asked has its end."""

import time
from collections.abc import Iterable
from typing import Any, Final

from chaos.checker.collector import TOKEN_PATTERN
from chaos.checker.history import END_STATES, State
from chaos.load import Question
from testing.worker_harness import reply_metadata
from testing.workspace import STARCHAT, Json, Workspace
from worker import render

MAX_POLL_SECONDS: Final = 60.0
"""Seconds that the workspace lets a listener wait."""
POLL_PAUSE_SECONDS: Final = 0.1
RETRY_NOTICE: Final = render.compose_retrying().text


class ReplyWatcher:
    """Reads each change once; knows which questions are open and what was said to whom."""

    def __init__(self, workspace: Workspace) -> None:
        """Begin with what happens from now on."""
        self._workspace = workspace
        self._next_change = int(workspace.get_json("_control/wait", since=0, timeout=0)["next"])
        self._ended_at: dict[str, float] = {}
        self._declined: set[str] = set()
        self._retry_announced: set[str] = set()
        self._versions: dict[str, list[tuple[str, str]]] = {}

    def find_open(self, questions: Iterable[Question]) -> list[Question]:
        """Return those that have neither a reply nor an error yet."""
        self._read_changes()
        return [q for q in questions if not {q.ts, q.token} & self._ended_at.keys()]

    def wait_for_replies(self, questions: Iterable[Question], timeout: float) -> list[Question]:
        """Wait until all have their end; return those that have none `within` seconds."""
        deadline = time.monotonic() + timeout
        open_questions = self.find_open(questions)
        while open_questions and (remaining := deadline - time.monotonic()) > 0:
            self.wait_for_change(remaining)
            open_questions = self.find_open(open_questions)
        return open_questions

    def count_versions(self, question: Question, state: str) -> int:
        """Return how often our message for a question has been shown in this state."""
        self._read_changes()
        return sum(state == found for found, _ in self._versions.get(question.ts, []))

    def saw_retry_notice(self, question: Question) -> bool:
        """Say whether the person was told that we try again."""
        self._read_changes()
        return question.ts in self._retry_announced

    def wait_for_state(self, question: Question, state: str, timeout: float = 0.0) -> bool:
        """Wait until our message for a question has been in this state; say whether it was."""
        deadline = time.monotonic() + timeout
        while not self.count_versions(question, state):
            if not self.wait_for_change(deadline - time.monotonic()):
                return False
        return True

    def wait_for_change(self, timeout: float) -> bool:
        """Wait until anything happens in the workspace; say whether it did."""
        if timeout <= 0:
            return False
        query = {"since": self._next_change, "timeout": min(timeout, MAX_POLL_SECONDS)}
        happened = self._workspace.get_json("_control/wait", **query)["happened"]
        # What happens comes in swarms: to look after each change would cost a core.
        time.sleep(POLL_PAUSE_SECONDS)
        return bool(happened)

    def list_messages(self, question: Question) -> list[str]:
        """Return the ts of each message that has been shown for a question, oldest first."""
        self._read_changes()
        return list(dict.fromkeys(ts for _, ts in self._versions.get(question.ts, [])))

    def measure_wait(self, question: Question) -> float:
        """Return the seconds from a question to its end; raises `KeyError` without one."""
        return self._ended_at[question.ts] - question.asked_at

    def find_refusals(self, questions: Iterable[Question]) -> list[Question]:
        """Return those that were not taken in."""
        return [question for question in questions if question.ts in self._declined]

    def _read_changes(self) -> None:
        found = self._workspace.get_json("_control/changes", since=self._next_change)
        self._next_change = int(found["next"])
        for change in found["changes"]:
            message: Json = change["message"]
            if message.get("user") == STARCHAT and change["type"] != "message_deleted":
                self._record_version(change["at"], message, reply_metadata(message))

    def _record_version(self, at: float, message: Json, metadata: dict[str, Any]) -> None:
        if metadata:
            if message.get("text") == RETRY_NOTICE:
                self._retry_announced.add(metadata["question"])
            self._versions.setdefault(metadata["question"], []).append(
                (metadata["state"], message["ts"])
            )
            if metadata["state"] == State.NOTICE:
                self._declined.add(metadata["question"])
            if metadata["state"] in END_STATES:
                self._ended_at.setdefault(metadata["question"], at)
            return
        # A program without our metadata repeats the token.
        for name in TOKEN_PATTERN.findall(str(message.get("text"))):
            self._ended_at.setdefault(name, at)
