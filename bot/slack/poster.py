"""Poster of the bot's own messages; the workers post the replies."""

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot import texts
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from contract.job import Thread
from contract.slack_errors import RATE_LIMIT_ERRORS, retry_after_seconds

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 3
"""Attempts of a rate-limited call; a post that may have arrived is not repeated."""
RESPONSE_URL_TIMEOUT_SECONDS: Final = 10
AMBIGUOUS_RETRY_DELAY_SECONDS: Final = 1.0
"""Delay before an idempotent call is repeated whose effect is unknown."""
MAX_WAIT_SECONDS: Final = 30.0
"""Longest wait for a rate limit; a message that comes later would only confuse."""


class Poster:
    """Poster of messages. Methods raise `bot.slack.client.CALL_ERRORS` if Slack fails a call."""

    def __init__(self, client: WebClient) -> None:
        """`client` must not retry: a repeated post is a second message."""
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
        """Post into a thread and return the message's `ts`; without `retry`, try once."""

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
        """Post a message that one user sees; without `thread_ts` in the channel itself."""
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
        """Delete the ephemeral message whose button a user pressed."""
        WebhookClient(response_url, timeout=RESPONSE_URL_TIMEOUT_SECONDS, retry_handlers=[]).send(
            delete_original=True
        )

    def delete_message(self, channel: str, ts: str) -> None:
        """Delete a message of the bot; ignore that it is deleted already."""
        try:
            self._call_with_retry(
                lambda: self._client.chat_delete(channel=channel, ts=ts), is_idempotent=True
            )
        except SlackApiError as error:
            if error_name(error) != "message_not_found":
                raise

    def publish_home(self, user: str, view: dict[str, Any]) -> None:
        """Publish the Home tab of a user."""
        self._call_with_retry(lambda: self._client.views_publish(user_id=user, view=view))

    def stop_waiting(self) -> None:
        """End all waits for rate limits: the process stops."""
        self._stopped.set()

    def _call_with_retry(self, call: Callable[[], Any], *, is_idempotent: bool = False) -> Any:
        """
        Make a call; repeat it after a rate limit, because Slack did not execute it then.

        An idempotent call is also repeated if its effect is unknown.
        """
        for _ in range(MAX_ATTEMPTS - 1):
            try:
                return call()
            except CALL_ERRORS as error:
                wait = retry_after(error, MAX_WAIT_SECONDS)
                if wait is None and is_idempotent and not is_refusal(error):
                    wait = AMBIGUOUS_RETRY_DELAY_SECONDS
                if wait is None or self._stopped.wait(wait):
                    raise
        return call()


def retry_after(error: Exception, max_seconds: float) -> float | None:
    """Return the seconds until a rate limit ends; `None` for other errors and longer waits."""
    if not isinstance(error, SlackApiError) or error_name(error) not in RATE_LIMIT_ERRORS:
        return None
    seconds = retry_after_seconds((error.response.headers or {}).get("Retry-After"))
    return seconds if seconds <= max_seconds else None
