"""In-memory workspace: fakeslack's state in the test's process, with a clock set by the test."""

from typing import Any

from fakeslack.errors import SlackError
from fakeslack.state.changes import Change
from fakeslack.state.messages import Message, PostOptions
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.registry import METHODS

GENERAL = "C0GENERAL1"
ADA = "U0ADA00001"
LIN = "U0LIN00001"
SAM = "U0SAM00001"
STARCHAT = "U0STARCHAT"

Json = dict[str, Any]


class InMemoryWorkspace:
    """A workspace, its changes so far, and its clock."""

    def __init__(self) -> None:
        self.clock_seconds = 1_700_000_000.0
        self.workspace = Workspace(lambda: self.clock_seconds, lambda: self.clock_seconds)
        self.workspace.base_url = "http://slack.test"
        self.changes: list[Change] = []
        self.workspace.add_listener(self.changes.append)

    def post_message(
        self, text: str, *, user: str = ADA, channel: str = GENERAL, **more: Any
    ) -> Message:
        """Post a message as a user."""
        return self.workspace.post_message(
            channel, {"user": user, "text": text, **more}, PostOptions()
        )

    def call_method(self, method: str, **given: Any) -> Json:
        """Call a Web API method as the app. Raises `SlackError` if the method fails."""
        return METHODS[method].function(self.workspace, Arguments(given))

    def expect_error(self, method: str, **given: Any) -> str:
        """Call a method that must fail; return its error name."""
        try:
            answer = self.call_method(method, **given)
        except SlackError as refusal:
            return refusal.error
        raise AssertionError(f"{method} was not refused: {answer}")

    def find_changes(self, kind: str) -> list[Change]:
        """Return the changes of one kind so far."""
        return [change for change in self.changes if change.kind == kind]
