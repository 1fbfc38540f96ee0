"""A real fakeslack in a process of its own, and what a person can do in it, for tests."""

import json
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from testing.processes import Process

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
WAIT_SECONDS = 60.0
LAST_ATTEMPT = 3
"""Slack's last attempt to deliver, the first being 0."""
HURRY = 2000.0
"""How fast the clock runs until then."""

Found = TypeVar("Found")


class RefusedError(AssertionError):
    """The workspace refused what the test asked; `error` is Slack's word for why."""

    def __init__(self, path: str, answer: Json) -> None:
        super().__init__(f"{path}: {answer.get('error')}")
        self.error = answer.get("error")


class Workspace:
    """`python -m fakeslack` on a free port; every method is one thing a person or a test does."""

    def __init__(self, *arguments: str) -> None:
        """Start it with these further arguments and wait until it serves."""
        self._process = Process("fakeslack", "--port", "0", *arguments)
        self.url = self._process.wait_for_line("fakeslack: http").partition(": ")[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it serves on this machine."""
        return int(self.url.rpartition(":")[2])

    @property
    def api_url(self) -> str:
        """What `SLACK_API_URL` must be."""
        return f"{self.url}/api/"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead bot and worker here."""
        return {
            "SLACK_API_URL": self.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
        }

    @property
    def log(self) -> str:
        """Everything the process has written so far."""
        return self._process.log

    def stop(self) -> int:
        """Close the workspace; returns the exit status."""
        return self._process.stop()

    def end(self, name: str = "SIGTERM") -> int:
        """Send a signal and wait for the end; returns the exit status."""
        self._process.signal(signal.Signals[name])
        return self._process.wait()

    # -- what people do

    def post(
        self, user: str, channel: str, text: str, thread_ts: str | None = None, **more: Any
    ) -> str:
        """Type a message as a person (`@StarChat` becomes a mention); returns its ts."""
        wish = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts, **more}
        return str(self.ask("_page/post", wish)["ts"])

    def edit(self, user: str, channel: str, ts: str, text: str) -> None:
        """Edit a person's own message."""
        self.ask("_page/edit", {"user": user, "channel": channel, "ts": ts, "text": text})

    def delete(self, user: str, channel: str, ts: str) -> None:
        """Delete a person's own message."""
        self.ask("_page/delete", {"user": user, "channel": channel, "ts": ts})

    def react(self, user: str, channel: str, ts: str, name: str, *, remove: bool = False) -> None:
        """Add or remove a reaction."""
        wish = {"user": user, "channel": channel, "ts": ts, "name": name, "remove": remove}
        self.ask("_page/react", wish)

    def direct(self, user: str, *others: str) -> str:
        """Open a direct or group message; returns its channel id."""
        return str(self.ask("_page/open_dm", {"user": user, "users": others})["channel"]["id"])

    def state(self, user: str = ADA) -> Json:
        """Return what a person's page starts with: people, channels, whether the bot is there."""
        return self.read("_page/state", user=user)

    def messages(self, channel: str, thread_ts: str | None = None, user: str = ADA) -> Messages:
        """Return a channel, or a thread from its root on, as a person sees it, oldest first."""
        found = self.read("_page/messages", user=user, channel=channel, thread_ts=thread_ts)
        return list(found["messages"])

    def replies(self, channel: str, thread_ts: str, user: str = ADA) -> Messages:
        """Return what the app's bot has said in a thread."""
        thread = self.messages(channel, thread_ts, user)
        return [message for message in thread if message.get("user") == STARCHAT]

    # -- waiting

    def wait_for(
        self,
        true: Callable[[Messages], Any],
        channel: str,
        thread_ts: str | None = None,
        *,
        user: str = ADA,
        within: float = WAIT_SECONDS,
    ) -> Messages:
        """Wait until `true` of the messages a person sees there, and return them."""

        def seen() -> Messages | None:
            messages = self.messages(channel, thread_ts, user)
            return messages if true(messages) else None

        return self._look(seen, "_control/wait", within)

    def wait_until(
        self, look: Callable[[], Found | None], *, within: float = WAIT_SECONDS
    ) -> Found:
        """Look again after every change, call and delivery until there is something; return it."""
        return self._look(look, "_control/pulse", within)

    def _look(self, look: Callable[[], Found | None], where: str, within: float) -> Found:
        deadline = time.monotonic() + within
        number = self.read(where, since=0, timeout=0)["next"]
        while not (found := look()):
            left = deadline - time.monotonic()
            assert left > 0, f"nothing came within {within} s\n{self.log}"
            number = self.read(where, since=number, timeout=left)["next"]
        return found

    def settle(self, *stamps: str) -> list[Json]:
        """
        Wait until all that Slack delivers of these messages is acknowledged; return that.

        Until then it delivers them again, to the next bot if this one is gone.
        """

        def settled() -> list[Json] | None:
            found = [self.envelopes(ts) for ts in stamps]
            sent = [envelope for each in found for envelope in each]
            return sent if all(found) and all(e["acked_at"] for e in sent) else None

        return self.wait_until(settled)

    def give_up(self, *stamps: str) -> None:
        """Let the clock run until Slack has failed to deliver these messages for the last time."""

        def given_up() -> bool:
            found = [self.envelopes(ts) for ts in stamps]
            return all(
                max((e["attempt"] for e in each), default=0) == LAST_ATTEMPT
                and all(e["failure"] for e in each)
                for each in found
            )

        self.clock(speed=HURRY)
        self.wait_until(given_up)
        self.clock(speed=1)

    def wait_connected(self, *, within: float = WAIT_SECONDS) -> None:
        """Wait until the app has a socket open."""
        self.wait_until(lambda: self.state()["app"]["connected"], within=within)

    # -- control and journal

    def raw_post(
        self, channel: str, text: str, *, user: str = ADA, thread_ts: str | None = None, **more: Any
    ) -> str:
        """Post a message as it is, as a person or a bot, with any fields; returns its ts."""
        wish = {"user": user, "channel": channel, "text": text, "thread_ts": thread_ts, **more}
        return str(self.ask("_control/raw_post", wish)["ts"])

    def redeliver(self, ts: str, event_type: str | None = None) -> None:
        """Deliver the events of a message once more, as Slack does when it missed our answer."""
        self.ask("_control/redeliver", {"ts": ts, "event_type": event_type})

    def calls(self, since: int = 0, method: str | None = None) -> list[Json]:
        """Return the Web API calls so far, of one method or all."""
        found = self.read("_control/calls", since=since)["calls"]
        return [call for call in found if method in {None, call["method"]}]

    def changes(self, since: int = 0) -> list[Json]:
        """Return how every message that all may read came, changed and went, with the time."""
        found = self.read("_control/changes", since=since)
        assert found["first"] <= since, "the workspace has forgotten the beginning"
        return list(found["changes"])

    def envelopes(self, ts: str | None = None) -> list[Json]:
        """Return every attempt to deliver, of the events at one ts or all."""
        found = self.read("_control/events")["events"]
        return [envelope for envelope in found if ts in {None, envelope["ts"]}]

    def faults(self, *rules: Json, **more: Any) -> Json:
        """Put these faults in the place of all earlier ones (none: end all faults)."""
        return self.ask("_control/faults", {"rules": rules, **more})

    def clock(self, **change: float) -> None:
        """Turn the clock: `speed`, `advance`, `ahead` (seconds), `ack_seconds`."""
        self.ask("_control/clock", change)

    def sockets(self, action: str, **more: Any) -> int:
        """Do something to all open sockets, such as `drop` or `refresh_requested`."""
        return int(self.ask("_control/sockets", {"action": action, **more})["sockets"])

    def control(self, what: str, **wish: Any) -> Json:
        """Turn any other control: `archive`, `kick`, `invite`, `create`, `app` …"""
        return self.ask(f"_control/{what}", wish)

    # -- the wire

    def ask(self, path: str, wish: Json) -> Json:
        """Send a wish as JSON; raises RefusedError where the workspace refuses."""
        body = json.dumps(wish).encode()
        headers = {"Content-Type": "application/json"}
        return self._fetch(path, urllib.request.Request(f"{self.url}/{path}", body, headers))  # noqa: S310

    def read(self, path: str, **query: Any) -> Json:
        """Read something; raises RefusedError where the workspace refuses."""
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url}/{path}?{urllib.parse.urlencode(given)}"
        return self._fetch(path, urllib.request.Request(address))  # noqa: S310

    def _fetch(self, path: str, request: urllib.request.Request) -> Json:
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310
                body = json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise RefusedError(path, json.load(refusal)) from None
        assert isinstance(body, dict)
        return body


def texts(messages: Sequence[Json]) -> list[str]:
    """Return the texts of messages."""
    return [message["text"] for message in messages]
