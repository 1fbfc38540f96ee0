"""
A correct echo bot, and twelve broken ones that each violate one invariant.

`python -m tests.chaos.broken_bots NAME [hold]` runs one; with `hold` it waits before its answer
until it is killed. The bots have no store: they read earlier answers from Slack.
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
    """Raised by a question that begins with "fail"."""


def generate_reply(text: str) -> str:
    """Return the echo of a question. Raises `ModelError` if it begins with "fail"."""
    words = html.unescape(text.partition("> ")[2])
    if words.startswith("fail"):
        raise ModelError
    return words


def thread_root(event: Event) -> str:
    """Return the timestamp of the thread's root."""
    return str(event.get("thread_ts") or event["ts"])


class Bot:
    """Correct bot: answers before it acknowledges, and posts each answer once."""

    retry_handlers: ClassVar[list[RetryHandler] | None] = []

    def __init__(self, environment: Mapping[str, str], *, hold: bool) -> None:
        """Read tokens and API URL from `environment`."""
        url = environment["SLACK_API_URL"]
        token = environment["SLACK_BOT_TOKEN"]
        self.slack = WebClient(token=token, base_url=url, retry_handlers=self.retry_handlers)
        self.socket = SocketModeClient(environment["SLACK_APP_TOKEN"], web_client=self.slack)
        self.socket.socket_mode_request_listeners.append(self.handle_request)
        self._lock = threading.Lock()
        self._never_set = threading.Event()
        self._hold = hold

    def handle_request(self, _client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Handle an envelope, then acknowledge it."""
        event = request.payload.get("event", {})
        if event.get("type") == "app_mention":
            self.handle_mention(event)
        self.acknowledge_request(request)

    def acknowledge_request(self, request: SocketModeRequest) -> None:
        """Acknowledge an envelope."""
        self.socket.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    def handle_mention(self, event: Event) -> None:
        """Answer a mention unless its answer is in the thread."""
        with self._lock:
            self.pause_if_held()
            if not self.is_answer_posted(event):
                self.post_answer(event)

    def pause_if_held(self) -> None:
        """Wait here forever if the bot was started with `hold`."""
        if self._hold:
            print("holding", flush=True)  # noqa: T201 - the test waits for this line
            self._never_set.wait()

    def is_answer_posted(self, event: Event) -> bool:
        """Return whether the thread contains the answer."""
        thread = self.slack.conversations_replies(
            channel=event["channel"], ts=thread_root(event), limit=200
        )
        own_texts = [m["text"] for m in thread["messages"] if "bot_id" in m]
        return self.build_answer(event) in own_texts

    def build_answer(self, event: Event) -> str:
        """Return the text of the answer."""
        try:
            return self.escape_text(generate_reply(event["text"]))
        except ModelError:
            return ERROR_TEXT

    def escape_text(self, text: str) -> str:
        """Escape a text: no mention and no link remains."""
        return html.escape(text, quote=False)

    def post_answer(self, event: Event) -> None:
        """Post the answer; after a lost response, look for it in the thread first."""
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
        """Return the arguments of the post."""
        return {
            "channel": event["channel"],
            "thread_ts": thread_root(event),
            "text": self.build_answer(event),
            "unfurl_links": False,
            "unfurl_media": False,
        }

    def wait_retry_after(self, refusal: SlackApiError) -> None:
        """Wait for the time in `Retry-After`."""
        self._never_set.wait(float(refusal.response.headers["Retry-After"]))


class AcknowledgesFirst(Bot):
    """Acknowledges before it answers: a kill loses the question."""

    def handle_request(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        self.acknowledge_request(request)
        super().handle_request(client, request)


class ForgetsDeliveries(Bot):
    """Answers each delivery of a question."""

    def is_answer_posted(self, event: Event) -> bool:
        return False


class RepeatsPosts(Bot):
    """Repeats a post after a lost response."""

    retry_handlers = None


class WrongThread(Bot):
    """Answers outside the thread."""

    def build_arguments(self, event: Event) -> dict[str, Any]:
        return super().build_arguments(event) | {"thread_ts": None}


class TwoWorkers(Bot):
    """Two threads see no answer, and both post one."""

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
    """Posts the model's text unescaped."""

    def escape_text(self, text: str) -> str:
        return text


class Unfurls(Bot):
    """Lets Slack unfurl links."""

    def build_arguments(self, event: Event) -> dict[str, Any]:
        arguments = super().build_arguments(event)
        return {name: arguments[name] for name in ("channel", "thread_ts", "text")}


class LogsText(Bot):
    """Logs the questions."""

    def handle_mention(self, event: Event) -> None:
        print(event, flush=True)  # noqa: T201 - the flaw itself
        super().handle_mention(event)


class DropsRedeliveries(Bot):
    """Ignores redelivered events."""

    def handle_request(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.retry_attempt:
            self.acknowledge_request(request)
        else:
            super().handle_request(client, request)


class Impatient(Bot):
    """Ignores `Retry-After`."""

    def wait_retry_after(self, refusal: SlackApiError) -> None:
        return


class Restless(Bot):
    """Edits its final answer."""

    def post_answer(self, event: Event) -> None:
        arguments = self.build_arguments(event)
        ts = self.slack.chat_postMessage(**arguments)["ts"]
        self.slack.chat_update(channel=arguments["channel"], ts=ts, text=f"{arguments['text']}!")


class ForgetsErrors(Bot):
    """Posts no error if the model fails."""

    def post_answer(self, event: Event) -> None:
        if self.build_answer(event) != ERROR_TEXT:
            super().post_answer(event)


BOT_CLASSES: Final[tuple[type[Bot], ...]] = (Bot, *Bot.__subclasses__())
BOTS_BY_NAME: Final = {kind.__name__: kind for kind in BOT_CLASSES}


def main() -> None:
    """Run the bot of the given name until it is killed."""
    bot = BOTS_BY_NAME[sys.argv[1]](os.environ, hold="hold" in sys.argv)
    bot.socket.connect()
    print("ready", flush=True)  # noqa: T201 - the test waits for this line
    threading.Event().wait()


if __name__ == "__main__":
    main()
