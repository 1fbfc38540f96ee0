"""Puts the bot's own sentences into Slack; the answers themselves are the workers' business."""

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot import texts
from bot.slack.errors import SLACK_AWAY, refused
from contract.job import Thread

log = structlog.get_logger()

TRIES: Final = 3
"""How often a post that Slack puts off is tried. One that may have arrived is not repeated."""
TIMEOUT: Final = 10
"""Seconds for an answer to a button."""
UNSURE_WAIT: Final = 1.0
"""Seconds before a repetition where nobody knows what became of a call."""
LONGEST_WAIT: Final = 30.0
"""Seconds; a longer wait is not worth a notice."""


class Posting:
    """Posts sentences. Raises `bot.slack.errors.SLACK_AWAY` where Slack does not take them."""

    def __init__(self, client: WebClient) -> None:
        """`client` must not repeat anything by itself: a repeated post is a second message."""
        self._client = client
        self._stopped = threading.Event()

    def say(
        self,
        thread: Thread,
        text: str,
        *,
        metadata: dict[str, Any] | None = None,
        patient: bool = True,
    ) -> str:
        """Post into a thread and return the message's `ts`; where not `patient`, try once."""

        def post() -> Any:
            return self._client.chat_postMessage(
                channel=thread.channel,
                thread_ts=thread.ts,
                text=text,
                blocks=texts.notice(text),
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )

        answer = self._patiently(post) if patient else post()
        return str(answer["ts"])

    def whisper(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        blocks: texts.Blocks | None = None,
    ) -> None:
        """Post what only one person sees. Without `thread_ts` it stands in the channel itself."""
        self._patiently(
            lambda: self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                blocks=blocks or texts.notice(text),
                thread_ts=thread_ts,
            )
        )

    def take_back(self, address: str) -> None:
        """Remove the message whose button a person pressed."""
        WebhookClient(address, timeout=TIMEOUT, retry_handlers=[]).send(delete_original=True)

    def delete(self, channel: str, ts: str) -> None:
        """Delete one of our messages; one that is gone already is as good."""
        try:
            self._patiently(
                lambda: self._client.chat_delete(channel=channel, ts=ts), repeatable=True
            )
        except SlackApiError as error:
            if error.response.get("error") != "message_not_found":
                raise

    def show_home(self, user: str, view: dict[str, Any]) -> None:
        """Put the Home tab before a person."""
        self._patiently(lambda: self._client.views_publish(user_id=user, view=view))

    def stop(self) -> None:
        """Wait for no limit any more: the process ends."""
        self._stopped.set()

    def _patiently(self, call: Callable[[], Any], *, repeatable: bool = False) -> Any:
        """
        Make a call; where Slack says "later" it was not done, so it may be made again.

        One that is `repeatable` also where nobody knows whether it was done.
        """
        for _ in range(TRIES - 1):
            try:
                return call()
            except SLACK_AWAY as error:
                wait = put_off(error, LONGEST_WAIT)
                if wait is None and repeatable and not refused(error):
                    wait = UNSURE_WAIT
                if wait is None or self._stopped.wait(wait):
                    raise
        return call()


def put_off(error: Exception, longest: float) -> float | None:
    """Return for how many seconds Slack has put a call off; `None` if not, or for longer."""
    if not isinstance(error, SlackApiError):
        return None
    if error.response.get("error") not in {"ratelimited", "rate_limited"}:
        return None
    said = (error.response.headers or {}).get("Retry-After", "1")
    seconds = float(said) if str(said).isdigit() else 1.0
    return seconds if seconds <= longest else None
