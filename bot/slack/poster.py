"""Puts the bot's own sentences into Slack; the answers themselves are the workers' business."""

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot import texts
from bot.slack.errors import CALL_ERRORS, is_refusal
from contract.job import Thread

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 3
"""How often a post that Slack puts off is tried. One that may have arrived is not repeated."""
RESPONSE_URL_TIMEOUT_SECONDS: Final = 10
"""Seconds for an answer to a button."""
AMBIGUOUS_RETRY_DELAY_SECONDS: Final = 1.0
"""Seconds before a repetition where nobody knows what became of a call."""
MAX_RETRY_AFTER_SECONDS: Final = 30.0
"""Seconds; a longer wait is not worth a notice."""


class Poster:
    """Posts sentences. Raises `bot.slack.errors.SLACK_AWAY` where Slack does not take them."""

    def __init__(self, client: WebClient) -> None:
        """`client` must not repeat anything by itself: a repeated post is a second message."""
        self._client = client
        self._stopped = threading.Event()

    def post_in_thread(
        self,
        thread: Thread,
        text: str,
        *,
        metadata: dict[str, Any] | None = None,
        retry: bool = True,
    ) -> str:
        """Post into a thread and return the message's `ts`; where not `patient`, try once."""

        def call_slack() -> Any:
            return self._client.chat_postMessage(
                channel=thread.channel,
                thread_ts=thread.ts,
                text=text,
                blocks=texts.context_blocks(text),
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )

        answer = self._call_with_retry(call_slack) if retry else call_slack()
        return str(answer["ts"])

    def post_ephemeral(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        blocks: texts.Blocks | None = None,
    ) -> None:
        """Post what only one person sees. Without `thread_ts` it stands in the channel itself."""
        self._call_with_retry(
            lambda: self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                blocks=blocks or texts.context_blocks(text),
                thread_ts=thread_ts,
            )
        )

    def delete_original(self, response_url: str) -> None:
        """Remove the message whose button a person pressed."""
        WebhookClient(response_url, timeout=RESPONSE_URL_TIMEOUT_SECONDS, retry_handlers=[]).send(
            delete_original=True
        )

    def delete_message(self, channel: str, ts: str) -> None:
        """Delete one of our messages; one that is gone already is as good."""
        try:
            self._call_with_retry(
                lambda: self._client.chat_delete(channel=channel, ts=ts), is_idempotent=True
            )
        except SlackApiError as error:
            if error.response.get("error") != "message_not_found":
                raise

    def publish_home(self, user: str, view: dict[str, Any]) -> None:
        """Put the Home tab before a person."""
        self._call_with_retry(lambda: self._client.views_publish(user_id=user, view=view))

    def stop_waiting(self) -> None:
        """Wait for no limit any more: the process ends."""
        self._stopped.set()

    def _call_with_retry(self, call: Callable[[], Any], *, is_idempotent: bool = False) -> Any:
        """
        Make a call; where Slack says "later" it was not done, so it may be made again.

        One that is `repeatable` also where nobody knows whether it was done.
        """
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return call()
            except CALL_ERRORS as error:
                wait = retry_after(error, MAX_RETRY_AFTER_SECONDS)
                if wait is None and is_idempotent and not is_refusal(error):
                    wait = AMBIGUOUS_RETRY_DELAY_SECONDS
                if wait is None or self._stopped.wait(wait):
                    raise
        return call()


def retry_after(error: Exception, max_seconds: float) -> float | None:
    """Return for how many seconds Slack has put a call off; `None` if not, or for longer."""
    if not isinstance(error, SlackApiError):
        return None
    if error.response.get("error") not in {"ratelimited", "rate_limited"}:
        return None
    header = (error.response.headers or {}).get("Retry-After", "1")
    seconds = float(header) if str(header).isdigit() else 1.0
    return seconds if seconds <= max_seconds else None
