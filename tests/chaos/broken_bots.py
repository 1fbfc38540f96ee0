"""
A small bot that keeps every promise by echo alone, and twelve that each break one of them.

`python -m tests.chaos.broken_bots <name> [hold]`; with `hold` it waits before it answers, until it
is killed. It has no store: what it has said already it reads in Slack.
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
ERROR_TEXT: Final = "I am sorry, that ended in an error."


class ModelError(Exception):
    """The model has failed; it always does where it is told to."""


def generate_reply(text: str) -> str:
    """Return what the model says: the question without the mention."""
    words = html.unescape(text.partition("> ")[2])
    if words.startswith("fail"):
        raise ModelError
    return words


def thread_root(event: Event) -> str:
    """Return the ts of the thread's root."""
    return str(event.get("thread_ts") or event["ts"])


class Bot:
    """Answers first and acknowledges then; posts once, whatever happens."""

    retry_handlers: ClassVar[list[RetryHandler] | None] = []

    def __init__(self, environment: Mapping[str, str], *, hold: bool) -> None:
        """Take the tokens and the address from `environment`."""
        url = environment["SLACK_API_URL"]
        token = environment["SLACK_BOT_TOKEN"]
        self.slack = WebClient(token=token, base_url=url, retry_handlers=self.retry_handlers)
        self.socket = SocketModeClient(environment["SLACK_APP_TOKEN"], web_client=self.slack)
        self.socket.socket_mode_request_listeners.append(self.handle_request)
        self._lock = threading.Lock()
        self._never_set = threading.Event()
        self._hold = hold

    def handle_request(self, _client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Deal with an envelope, then acknowledge it."""
        event = request.payload.get("event", {})
        if event.get("type") == "app_mention":
            self.handle_mention(event)
        self.acknowledge_request(request)

    def acknowledge_request(self, request: SocketModeRequest) -> None:
        """Tell Slack that it need not deliver this again."""
        self.socket.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    def handle_mention(self, event: Event) -> None:
        """Answer a mention unless that is done."""
        with self._lock:
            self.pause_if_held()
            if not self.is_answer_posted(event):
                self.post_answer(event)

    def pause_if_held(self) -> None:
        """Stand still here if that is wanted."""
        if self._hold:
            print("holding", flush=True)  # noqa: T201 - the test waits for this line
            self._never_set.wait()

    def is_answer_posted(self, event: Event) -> bool:
        """Whether the thread has our answer already."""
        thread = self.slack.conversations_replies(
            channel=event["channel"], ts=thread_root(event), limit=200
        )
        own_texts = [m["text"] for m in thread["messages"] if "bot_id" in m]
        return self.build_answer(event) in own_texts

    def build_answer(self, event: Event) -> str:
        """Return the answer as Slack is to have it."""
        try:
            return self.escape_text(generate_reply(event["text"]))
        except ModelError:
            return ERROR_TEXT

    def escape_text(self, text: str) -> str:
        """Return a text in which nothing pings and nothing is a link."""
        return html.escape(text, quote=False)

    def post_answer(self, event: Event) -> None:
        """Post the answer; after an unknown outcome, look first whether it is there."""
        while True:
            try:
                self.slack.chat_postMessage(**self.build_arguments(event))
            except SlackApiError as refusal:
                self.wait_retry_after(refusal)
            except OSError:
                if self.is_answer_posted(event):
                    return
            else:
                return

    def build_arguments(self, event: Event) -> dict[str, Any]:
        """Return how the answer is posted."""
        return {
            "channel": event["channel"],
            "thread_ts": thread_root(event),
            "text": self.build_answer(event),
            "unfurl_links": False,
            "unfurl_media": False,
        }

    def wait_retry_after(self, refusal: SlackApiError) -> None:
        """Wait as long as Slack says."""
        self._never_set.wait(float(refusal.response.headers["Retry-After"]))


class AcknowledgesFirst(Bot):
    """What it has acknowledged is lost when it dies."""

    def handle_request(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        self.acknowledge_request(request)
        super().handle_request(client, request)


class ForgetsDeliveries(Bot):
    """It answers as often as it is told."""

    def is_answer_posted(self, event: Event) -> bool:
        return False


class RepeatsPosts(Bot):
    """Its client repeats a post of which it does not know whether it took effect."""

    retry_handlers = None


class WrongThread(Bot):
    """It answers beside the thread."""

    def build_arguments(self, event: Event) -> dict[str, Any]:
        return super().build_arguments(event) | {"thread_ts": None}


class TwoWorkers(Bot):
    """Two of it look whether a mention is answered, then both answer it."""

    def handle_mention(self, event: Event) -> None:
        barrier = threading.Barrier(2)
        workers = [
            threading.Thread(target=self._answer_mention, args=(event, barrier)) for _ in range(2)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _answer_mention(self, event: Event, barrier: threading.Barrier) -> None:
        answered = self.is_answer_posted(event)
        barrier.wait()
        if not answered:
            self.post_answer(event)


class Pings(Bot):
    """It says what the model says, mentions and all."""

    def escape_text(self, text: str) -> str:
        return text


class Unfurls(Bot):
    """It leaves it to Slack which addresses are fetched."""

    def build_arguments(self, event: Event) -> dict[str, Any]:
        arguments = super().build_arguments(event)
        return {name: arguments[name] for name in ("channel", "thread_ts", "text")}


class LogsText(Bot):
    """It logs what it is asked."""

    def handle_mention(self, event: Event) -> None:
        print(event, flush=True)  # noqa: T201 - the flaw itself
        super().handle_mention(event)


class DropsRedeliveries(Bot):
    """It takes every redelivery for a double."""

    def handle_request(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.retry_attempt:
            self.acknowledge_request(request)
        else:
            super().handle_request(client, request)


class Impatient(Bot):
    """It does not wait when Slack tells it to."""

    def wait_retry_after(self, refusal: SlackApiError) -> None:
        return


class Restless(Bot):
    """It changes its answer after the end."""

    def post_answer(self, event: Event) -> None:
        arguments = self.build_arguments(event)
        ts = self.slack.chat_postMessage(**arguments)["ts"]
        self.slack.chat_update(channel=arguments["channel"], ts=ts, text=f"{arguments['text']}!")


class ForgetsErrors(Bot):
    """It says nothing where the model fails."""

    def post_answer(self, event: Event) -> None:
        if self.build_answer(event) != ERROR_TEXT:
            super().post_answer(event)


BOT_CLASSES: Final[tuple[type[Bot], ...]] = (Bot, *Bot.__subclasses__())
BOTS_BY_NAME: Final = {kind.__name__: kind for kind in BOT_CLASSES}


def main() -> None:
    """Run the bot of this name until it is killed."""
    bot = BOTS_BY_NAME[sys.argv[1]](os.environ, hold="hold" in sys.argv)
    bot.socket.connect()
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    threading.Event().wait()


if __name__ == "__main__":
    main()
