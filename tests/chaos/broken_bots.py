"""
A small bot that keeps every promise by echo alone, and twelve that each break one of them.

`python -m tests.chaos.broken_bots <name> [hold]`; with `hold` it stands still before it answers, until
it is killed. It has no store: what it has said already it reads in Slack.
"""

import html
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import RetryHandler
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

Event = dict[str, Any]
ERROR: Final = "I am sorry, that ended in an error."


class ModelError(Exception):
    """The model has failed; it always does where it is told to."""


def generated(text: str) -> str:
    """Return what the model says: the question without the mention."""
    words = html.unescape(text.partition("> ")[2])
    if words.startswith("fail"):
        raise ModelError
    return words


def root(event: Event) -> str:
    """Return the ts of the thread's root."""
    return str(event.get("thread_ts") or event["ts"])


class Bot:
    """Answers first and acknowledges then; posts once, whatever happens."""

    retries: ClassVar[list[RetryHandler] | None] = []

    def __init__(self, environment: Mapping[str, str], *, hold: bool) -> None:
        """Take the tokens and the address from `environment`."""
        url = environment["SLACK_API_URL"]
        token = environment["SLACK_BOT_TOKEN"]
        self.slack = WebClient(token=token, base_url=url, retry_handlers=self.retries)
        self.socket = SocketModeClient(environment["SLACK_APP_TOKEN"], web_client=self.slack)
        self.socket.socket_mode_request_listeners.append(self.heard)
        self._lease = threading.Lock()
        self._never = threading.Event()
        self._hold = hold

    def heard(self, _client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Deal with an envelope, then acknowledge it."""
        event = request.payload.get("event", {})
        if event.get("type") == "app_mention":
            self.take(event)
        self.acknowledge(request)

    def acknowledge(self, request: SocketModeRequest) -> None:
        """Tell Slack that it need not deliver this again."""
        self.socket.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    def take(self, event: Event) -> None:
        """Answer a mention unless that is done."""
        with self._lease:
            self.reach()
            if not self.said(event):
                self.answer(event)

    def reach(self) -> None:
        """Stand still here if that is wanted."""
        if self._hold:
            print("holding", flush=True)  # noqa: T201 - the test waits for this line
            self._never.wait()

    def said(self, event: Event) -> bool:
        """Whether the thread has our answer already."""
        thread = self.slack.conversations_replies(
            channel=event["channel"], ts=root(event), limit=200
        )
        ours = [m["text"] for m in thread["messages"] if "bot_id" in m]
        return self.words(event) in ours

    def words(self, event: Event) -> str:
        """Return the answer as Slack is to have it."""
        try:
            return self.escaped(generated(event["text"]))
        except ModelError:
            return ERROR

    def escaped(self, text: str) -> str:
        """Return a text in which nothing pings and nothing is a link."""
        return html.escape(text, quote=False)

    def answer(self, event: Event) -> None:
        """Post the answer; after an unknown outcome, look first whether it is there."""
        while True:
            try:
                self.slack.chat_postMessage(**self.arguments(event))
            except SlackApiError as refusal:
                self.pause(refusal)
            except OSError:
                if self.said(event):
                    return
            else:
                return

    def arguments(self, event: Event) -> dict[str, Any]:
        """Return how the answer is posted."""
        return {
            "channel": event["channel"],
            "thread_ts": root(event),
            "text": self.words(event),
            "unfurl_links": False,
            "unfurl_media": False,
        }

    def pause(self, refusal: SlackApiError) -> None:
        """Wait as long as Slack says."""
        self._never.wait(float(refusal.response.headers["Retry-After"]))


class AcknowledgesFirst(Bot):
    """What it has acknowledged is lost when it dies."""

    def heard(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        self.acknowledge(request)
        super().heard(client, request)


class ForgetsDeliveries(Bot):
    """It answers as often as it is told."""

    def said(self, event: Event) -> bool:
        return False


class RepeatsPosts(Bot):
    """Its client repeats a post of which it does not know whether it took effect."""

    retries = None


class WrongThread(Bot):
    """It answers beside the thread."""

    def arguments(self, event: Event) -> dict[str, Any]:
        return super().arguments(event) | {"thread_ts": None}


class TwoWorkers(Bot):
    """Two of it look whether a mention is answered, then both answer it."""

    def take(self, event: Event) -> None:
        both = threading.Barrier(2)
        workers = [threading.Thread(target=self._work, args=(event, both)) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self, event: Event, both: threading.Barrier) -> None:
        done = self.said(event)
        both.wait()
        if not done:
            self.answer(event)


class Pings(Bot):
    """It says what the model says, mentions and all."""

    def escaped(self, text: str) -> str:
        return text


class Unfurls(Bot):
    """It leaves it to Slack which addresses are fetched."""

    def arguments(self, event: Event) -> dict[str, Any]:
        given = super().arguments(event)
        return {name: given[name] for name in ("channel", "thread_ts", "text")}


class LogsText(Bot):
    """It logs what it is asked."""

    def take(self, event: Event) -> None:
        print(event, flush=True)  # noqa: T201 - the flaw itself
        super().take(event)


class DropsRedeliveries(Bot):
    """It takes every redelivery for a double."""

    def heard(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.retry_attempt:
            self.acknowledge(request)
        else:
            super().heard(client, request)


class Impatient(Bot):
    """It does not wait when Slack tells it to."""

    def pause(self, refusal: SlackApiError) -> None:
        return


class Restless(Bot):
    """It changes its answer after the end."""

    def answer(self, event: Event) -> None:
        given = self.arguments(event)
        ts = self.slack.chat_postMessage(**given)["ts"]
        self.slack.chat_update(channel=given["channel"], ts=ts, text=f"{given['text']}!")


class ForgetsErrors(Bot):
    """It says nothing where the model fails."""

    def answer(self, event: Event) -> None:
        if self.words(event) != ERROR:
            super().answer(event)


KINDS: Final[tuple[type[Bot], ...]] = (Bot, *Bot.__subclasses__())
BOTS: Final = {kind.__name__: kind for kind in KINDS}


def main() -> None:
    """Run the bot of this name until it is killed."""
    bot = BOTS[sys.argv[1]](os.environ, hold="hold" in sys.argv)
    bot.socket.connect()
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    threading.Event().wait()


if __name__ == "__main__":
    main()
