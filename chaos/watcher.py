"""Follows what the workspace shows until every question that was asked has its end."""

import time
from collections.abc import Iterable
from typing import Any, Final

from chaos.checker.collector import TOKEN
from chaos.checker.history import ENDS, State
from chaos.load import Question
from testing.worker_harness import payload
from testing.workspace import STARCHAT, Json, Workspace
from worker import render

LONGEST_WAIT: Final = 60.0
"""Seconds that the workspace lets a listener wait."""
LULL: Final = 0.1
RETRYING: Final = render.retrying().text


class Following:
    """Reads each change once; knows which questions are open and what was said to whom."""

    def __init__(self, workspace: Workspace) -> None:
        """Begin with what happens from now on."""
        self._workspace = workspace
        self._next = int(workspace.read("_control/wait", since=0, timeout=0)["next"])
        self._ended: dict[str, float] = {}
        self._refused: set[str] = set()
        self._retried: set[str] = set()
        self._shown: dict[str, list[tuple[str, str]]] = {}

    def open(self, questions: Iterable[Question]) -> list[Question]:
        """Return those that have neither a reply nor an error yet."""
        self._read()
        return [q for q in questions if not {q.ts, q.token} & self._ended.keys()]

    def wait(self, questions: Iterable[Question], within: float) -> list[Question]:
        """Wait until all have their end; return those that have none `within` seconds."""
        deadline = time.monotonic() + within
        left = self.open(questions)
        while left and (patience := deadline - time.monotonic()) > 0:
            self.news(patience)
            left = self.open(left)
        return left

    def count(self, question: Question, state: str) -> int:
        """Return how often our message for a question has been shown in this state."""
        self._read()
        return sum(state == found for found, _ in self._shown.get(question.ts, []))

    def retried(self, question: Question) -> bool:
        """Say whether the person was told that we try again."""
        self._read()
        return question.ts in self._retried

    def shown(self, question: Question, state: str, within: float = 0.0) -> bool:
        """Wait until our message for a question has been in this state; say whether it was."""
        deadline = time.monotonic() + within
        while not self.count(question, state):
            if not self.news(deadline - time.monotonic()):
                return False
        return True

    def news(self, within: float) -> bool:
        """Wait until anything happens in the workspace; say whether it did."""
        if within <= 0:
            return False
        wish = {"since": self._next, "timeout": min(within, LONGEST_WAIT)}
        happened = self._workspace.read("_control/wait", **wish)["happened"]
        # What happens comes in swarms: to look after each change would cost a core.
        time.sleep(LULL)
        return bool(happened)

    def messages(self, question: Question) -> list[str]:
        """Return the ts of each message that has been shown for a question, oldest first."""
        self._read()
        return list(dict.fromkeys(ts for _, ts in self._shown.get(question.ts, [])))

    def waited(self, question: Question) -> float:
        """Return the seconds from a question to its end; raises `KeyError` without one."""
        return self._ended[question.ts] - question.asked_at

    def refused(self, questions: Iterable[Question]) -> list[Question]:
        """Return those that were not taken in."""
        return [question for question in questions if question.ts in self._refused]

    def _read(self) -> None:
        found = self._workspace.read("_control/changes", since=self._next)
        self._next = int(found["next"])
        for change in found["changes"]:
            message: Json = change["message"]
            if message.get("user") == STARCHAT and change["type"] != "message_deleted":
                self._see(change["at"], message, payload(message))

    def _see(self, at: float, message: Json, said: dict[str, Any]) -> None:
        if said:
            if message.get("text") == RETRYING:
                self._retried.add(said["question"])
            self._shown.setdefault(said["question"], []).append((said["state"], message["ts"]))
            if said["state"] == State.NOTICE:
                self._refused.add(said["question"])
            if said["state"] in ENDS:
                self._ended.setdefault(said["question"], at)
            return
        # A program without our metadata repeats the token.
        for name in TOKEN.findall(str(message.get("text"))):
            self._ended.setdefault(name, at)
