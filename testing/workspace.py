"""Workspace: a fakeslack process, and the actions of its users and of a test."""

import json
import signal
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from testing.polling import poll_until
from testing.processes import WAIT_SECONDS, Process

Json = dict[str, Any]
Messages = list[Json]

GENERAL = "C0GENERAL1"
PYTHON = "C0PYTHON01"
ADA = "U0ADA00001"
LIN = "U0LIN00001"
SAM = "U0SAM00001"
STARCHAT = "U0STARCHAT"
DEPLOYBOT = "U0DEPLOY01"
BOT_TOKEN = "xoxb-fakeslack"
APP_TOKEN = "xapp-fakeslack"
LAST_ATTEMPT = 3
"""Number of Slack's last delivery attempt; the first is 0."""
FAST_CLOCK_SPEED = 2000.0
"""Clock speed until that attempt."""

Found = TypeVar("Found")


class RefusedError(AssertionError):
    """Raised if the workspace refuses a request; `error` is Slack's error name."""

    def __init__(self, path: str, answer: Json) -> None:
        super().__init__(f"{path}: {answer.get('error')}")
        self.error = answer.get("error")


class Workspace:
    """`python -m fakeslack` on a free port; each method is one action of a user or a test."""

    def __init__(self, *arguments: str) -> None:
        """Start fakeslack with more arguments and wait until it serves."""
        self._process = Process("fakeslack", "--port", "0", *arguments)
        self.url = self._process.wait_for_line("fakeslack: http").partition(": ")[2]
        self._directory = tempfile.TemporaryDirectory(prefix="workspace-")
        self._token = ""
        self._token = str(self.read_state()["token"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_process()

    @property
    def port(self) -> int:
        """TCP port of the workspace."""
        return int(self.url.rpartition(":")[2])

    @property
    def api_url(self) -> str:
        """Value of `SLACK_API_URL`."""
        return f"{self.url}/api/"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that connect bot and worker to the workspace."""
        return {
            "SLACK_API_URL": self.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "DATABASE_URL": self.database_url,
            # Tests and figures count the calls of a question, not those of a person's first one.
            "STARCHAT_RESEARCH_NOTICE": "off",
        }

    @property
    def database_url(self) -> str:
        """Address of the SQLite file that the bots of this workspace share."""
        return f"sqlite:///{self._directory.name}/starchat.db"

    @property
    def token_header(self) -> dict[str, str]:
        """Header that the control routes and the page's POST requests need."""
        return {"X-Fakeslack-Token": self._token}

    @property
    def log_text(self) -> str:
        """The output of the process so far."""
        return self._process.log_text

    def stop_process(self) -> int:
        """Stop the workspace; return the exit status."""
        self._directory.cleanup()
        return self._process.stop_process()

    def end_by_signal(self, name: str = "SIGTERM") -> int:
        """Send a signal and wait for the exit; return its status."""
        self._process.send_signal(signal.Signals[name])
        return self._process.wait_for_exit()

    # -- actions of users

    def post_message(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, **more: Any
    ) -> str:
        """Post a message as a user (`@StarChat` becomes a mention); return its timestamp."""
        fields = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts, **more}
        return str(self.post_json("_page/post", fields)["ts"])

    def edit_message(self, user: str, channel: str, ts: str, text: str) -> None:
        """Edit a user's own message."""
        self.post_json("_page/edit", {"user": user, "channel": channel, "ts": ts, "text": text})

    def delete_message(self, user: str, channel: str, ts: str) -> None:
        """Delete a user's own message."""
        self.post_json("_page/delete", {"user": user, "channel": channel, "ts": ts})

    def set_reaction(
        self, user: str, channel: str, ts: str, name: str, *, remove: bool = False
    ) -> None:
        """Add or remove a reaction."""
        fields = {"user": user, "channel": channel, "ts": ts, "name": name, "remove": remove}
        self.post_json("_page/react", fields)

    def open_dm(self, user: str, *others: str) -> str:
        """Open a direct or group message; return its channel id."""
        return str(
            self.post_json("_page/open_dm", {"user": user, "users": others})["channel"]["id"]
        )

    def read_state(self, user: str = ADA) -> Json:
        """Return the initial state of a user's page: people, channels, the app's connection."""
        return self.get_json("_page/state", user=user)

    def read_messages(
        self, channel: str, thread_ts: str | None = None, user: str = ADA
    ) -> Messages:
        """Return the messages of a channel or thread that a user sees, oldest first."""
        found = self.get_json("_page/messages", user=user, channel=channel, thread_ts=thread_ts)
        return list(found["messages"])

    def bot_replies(self, channel: str, thread_ts: str, user: str = ADA) -> Messages:
        """Return the app's messages in a thread."""
        thread = self.read_messages(channel, thread_ts, user)
        return [message for message in thread if message.get("user") == STARCHAT]

    # -- waiting

    def wait_for_messages(
        self,
        is_match: Callable[[Messages], Any],
        channel: str,
        thread_ts: str | None = None,
        *,
        user: str = ADA,
        timeout: float = WAIT_SECONDS,
    ) -> Messages:
        """Wait until the messages that a user sees satisfy `is_match`, and return them."""

        def matching_messages() -> Messages | None:
            messages = self.read_messages(channel, thread_ts, user)
            return messages if is_match(messages) else None

        return self._poll_changes(matching_messages, "_control/wait", timeout)

    def wait_until(
        self, probe: Callable[[], Found | None], *, timeout: float = WAIT_SECONDS
    ) -> Found:
        """Call `probe` after each change, API call and delivery; return its first true result."""
        return self._poll_changes(probe, "_control/activity", timeout)

    def _poll_changes(self, probe: Callable[[], Found | None], path: str, timeout: float) -> Found:
        deadline = time.monotonic() + timeout
        number = self.get_json(path, since=0, timeout=0)["next"]
        while not (found := probe()):
            remaining = deadline - time.monotonic()
            assert remaining > 0, f"no match within {timeout} s\n{self.log_text}"
            number = self.get_json(path, since=number, timeout=remaining)["next"]
        return found

    def wait_for_acks(self, *timestamps: str) -> list[Json]:
        """
        Wait until every delivery of these messages is acknowledged, and return the deliveries.

        Slack redelivers unacknowledged events, to another bot if the first one is gone.
        """

        def acked_deliveries() -> list[Json] | None:
            found = [self.delivery_attempts(ts) for ts in timestamps]
            sent = [envelope for each in found for envelope in each]
            return sent if all(found) and all(e["acked_at"] for e in sent) else None

        return self.wait_until(acked_deliveries)

    def exhaust_redeliveries(self, *timestamps: str) -> None:
        """Speed the clock up until Slack's last delivery of each message has failed."""

        def has_given_up() -> bool:
            found = [self.delivery_attempts(ts) for ts in timestamps]
            return all(
                max((e["attempt"] for e in each), default=0) == LAST_ATTEMPT
                and all(e["failure"] for e in each)
                for each in found
            )

        self.set_clock(speed=FAST_CLOCK_SPEED)
        self.wait_until(has_given_up)
        self.set_clock(speed=1)

    def wait_until_connected(self, *, timeout: float = WAIT_SECONDS) -> None:
        """Wait until the app has an open socket."""
        self.wait_until(lambda: self.read_state()["app"]["connected"], timeout=timeout)

    def wait_for_next_second(self) -> None:
        """Wait until Slack's `Date` header, which counts seconds, is later than all messages."""
        before = self._read_date()
        poll_until(lambda: self._read_date() != before, description="the next second")

    def _read_date(self) -> str:
        with urllib.request.urlopen(self.url) as response:  # noqa: S310 - our own address
            return str(response.headers["Date"])

    # -- control and journal

    def post_raw(
        self, channel: str, text: str, *, user: str = ADA, thread_ts: str | None = None, **more: Any
    ) -> str:
        """Post a message with any fields as a user or a bot; return its timestamp."""
        fields = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts, **more}
        return str(self.post_json("_control/raw_post", fields)["ts"])

    def redeliver_events(self, ts: str, event_type: str | None = None) -> None:
        """Redeliver the events of a message, as Slack does without an acknowledgement."""
        self.post_json("_control/redeliver", {"ts": ts, "event_type": event_type})

    def api_calls(
        self, since: int = 0, method: str | None = None, thread: str | None = None
    ) -> list[Json]:
        """Return the Web API calls so far; only those of a method and about a thread, if given."""
        found = self.get_json("_control/calls", since=since)["calls"]
        return [
            call
            for call in found
            if method in {None, call["method"]}
            and thread in {None, call["args"].get("thread_ts"), call["args"].get("ts")}
        ]

    def message_changes(self, since: int = 0) -> list[Json]:
        """Return each post, edit and deletion of public messages, with its time."""
        found = self.get_json("_control/changes", since=since)
        assert found["first"] <= since, "the workspace no longer has its first changes"
        return list(found["changes"])

    def delivery_attempts(self, ts: str | None = None) -> list[Json]:
        """Return every delivery attempt, of one message's events or of all."""
        found = self.get_json("_control/deliveries")["deliveries"]
        return [envelope for envelope in found if ts in {None, envelope["ts"]}]

    def set_faults(self, *rules: Json, **more: Any) -> Json:
        """Replace all fault rules by these (none: end all faults)."""
        return self.post_json("_control/faults", {"rules": rules, **more})

    def set_clock(self, **change: float) -> None:
        """Set the clock: `speed`, `advance`, `ahead` (seconds), `ack_seconds`."""
        self.post_json("_control/clock", change)

    def control_sockets(self, action: str, **more: Any) -> int:
        """Apply an action such as `drop` to all open sockets; return their number."""
        return int(self.post_json("_control/sockets", {"action": action, **more})["sockets"])

    def send_control(self, control: str, **fields: Any) -> Json:
        """Send any other control: `archive`, `kick`, `invite`, `create`, `app` …"""
        return self.post_json(f"_control/{control}", fields)

    # -- HTTP

    def post_json(self, path: str, fields: Json) -> Json:
        """Post `fields` as JSON. Raises `RefusedError` if the workspace refuses them."""
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json", **self.token_header}
        return self._fetch_json(path, urllib.request.Request(f"{self.url}/{path}", body, headers))  # noqa: S310

    def get_json(self, path: str, **query: Any) -> Json:
        """Read a JSON document. Raises `RefusedError` if the workspace refuses it."""
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url}/{path}?{urllib.parse.urlencode(given)}"
        return self._fetch_json(path, urllib.request.Request(address, headers=self.token_header))  # noqa: S310

    def _fetch_json(self, path: str, request: urllib.request.Request) -> Json:
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                body = json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise RefusedError(path, json.load(refusal)) from None
        assert isinstance(body, dict)
        return body


def message_texts(messages: Sequence[Json]) -> list[str]:
    """Return the texts of messages."""
    return [message["text"] for message in messages]
