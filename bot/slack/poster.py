"""Poster of the bot's own messages; the workers post the replies."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot import texts
from bot.slack.budget import MAX_WAIT_SECONDS, NoBudgetError, SlackBudget, pace_calls
from bot.slack.client import CALL_ERRORS, error_name, is_refusal, rate_limit_seconds
from contract.job import Thread
from contract.proxies import find_proxy
from contract.slack_budget import Priority

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 3
"""Attempts of a rate-limited call; a post that may have arrived is not repeated."""
RESPONSE_URL_TIMEOUT_SECONDS: Final = 10
SHORT_WAIT_SECONDS: Final = 5.0
"""Wait for the budget of a message that can be put off."""
AMBIGUOUS_RETRY_DELAY_SECONDS: Final = 1.0
"""Delay before an idempotent call is repeated whose effect is unknown."""


class Poster:
    """Poster of messages. Methods raise `bot.slack.client.CALL_ERRORS` if Slack fails a call."""

    def __init__(self, client: WebClient, budget: SlackBudget | None = None) -> None:
        """`client` must not retry: a repeated post is a second message."""
        self._client = client
        self._budget = budget
        self._stopped = threading.Event()

    def reserve_post(self, channel: str, max_wait: float) -> None:
        """
        Take the budget of one post before it is announced, within `max_wait` seconds.

        Raises `NoBudgetError` if it is exhausted for longer.
        """
        if self._budget is not None:
            with pace_calls(Priority.BACKGROUND, max_wait):
                self._budget.take_call("chat.postMessage", channel)

    def post_in_thread(
        self,
        thread: Thread,
        text: str,
        *,
        metadata: dict[str, Any] | None = None,
        blocks: texts.Blocks | None = None,
        retry: bool = True,
        is_reserved: bool = False,
    ) -> str:
        """
        Post into a thread, by default the text in small print; return the message's `ts`.

        Without `retry`, try once and do not wait. `is_reserved` is for a call of `reserve_post`.
        """

        def call_slack() -> Any:
            return self._client.chat_postMessage(
                channel=thread.channel,
                thread_ts=thread.ts,
                text=text,
                blocks=blocks or texts.context_blocks(text),
                metadata=metadata,
                unfurl_links=False,
                unfurl_media=False,
            )

        max_wait = MAX_WAIT_SECONDS if retry else 0
        with pace_calls(Priority.BACKGROUND, max_wait, is_prepaid=is_reserved):
            answer = self._repeat_call(call_slack) if retry else call_slack()
        return str(answer["ts"])

    def post_blocks(
        self,
        channel: str,
        text: str,
        blocks: Sequence[Mapping[str, Any]],
        *,
        thread_ts: str | None,
    ) -> str:
        """
        Post blocks alone, once, into a thread or as a new root; return the `ts`.

        `text` is for notifications.
        """
        with pace_calls(Priority.REPLY, SHORT_WAIT_SECONDS):
            answer = self._client.chat_postMessage(
                channel=channel,
                thread_ts=thread_ts,
                text=text,
                blocks=[dict(block) for block in blocks],
                unfurl_links=False,
                unfurl_media=False,
            )
        return str(answer["ts"])

    def open_direct_message(self, user: str) -> str:
        """Return the channel of the direct message with a user."""
        with pace_calls(Priority.REPLY, max_wait=0):
            return str(self._client.conversations_open(users=user)["channel"]["id"])

    def find_permalink(self, channel: str, ts: str) -> str:
        """Return the address of a message."""
        with pace_calls(Priority.REPLY, SHORT_WAIT_SECONDS):
            return str(self._client.chat_getPermalink(channel=channel, message_ts=ts)["permalink"])

    def post_in_channel(self, channel: str, text: str) -> None:
        """Post a message that belongs to no thread."""
        self._call_with_retry(
            lambda: self._client.chat_postMessage(
                channel=channel, text=text, blocks=texts.context_blocks(text)
            )
        )

    def post_ephemeral(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        blocks: texts.Blocks | None = None,
        retry: bool = True,
    ) -> None:
        """
        Post a message that one user sees; without `thread_ts` in the channel itself.

        Without `retry`, try once; wait little, but before placeholders.
        """

        def call_slack() -> Any:
            return self._client.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                blocks=blocks or texts.context_blocks(text),
                thread_ts=thread_ts,
            )

        if retry:
            self._call_with_retry(call_slack)
        else:
            with pace_calls(Priority.REPLY, SHORT_WAIT_SECONDS):
                call_slack()

    def update_message(
        self,
        channel: str,
        ts: str,
        text: str,
        *,
        metadata: dict[str, Any],
        blocks: texts.Blocks,
    ) -> None:
        """Replace a message of the bot; try once."""
        with pace_calls(Priority.REPLY, SHORT_WAIT_SECONDS):
            self._client.chat_update(
                channel=channel,
                ts=ts,
                text=text,
                blocks=blocks,
                metadata=metadata,
            )

    def replace_blocks(self, channel: str, raw: Mapping[str, Any], blocks: texts.Blocks) -> None:
        """Replace the blocks of the bot's message `raw`; all else stays. Try once."""
        with pace_calls(Priority.BACKGROUND, SHORT_WAIT_SECONDS):
            self._client.chat_update(
                channel=channel,
                ts=str(raw["ts"]),
                text=str(raw.get("text", "")),
                blocks=blocks,
                metadata=raw.get("metadata"),
            )

    def open_view(self, trigger_id: str, view: dict[str, Any]) -> str:
        """
        Open a modal for the person whose press had this trigger, within Slack's 3 seconds.

        Return the view's id.
        """
        with pace_calls(Priority.REPLY, max_wait=1.0):
            answer = self._client.views_open(trigger_id=trigger_id, view=view)
        return str(answer["view"]["id"])

    def delete_original(self, response_url: str) -> None:
        """Delete the ephemeral message whose button a user pressed."""
        client = WebhookClient(
            response_url, timeout=RESPONSE_URL_TIMEOUT_SECONDS, retry_handlers=[]
        )
        client.proxy = find_proxy(response_url)
        client.send(delete_original=True)

    def delete_file(self, file: str) -> None:
        """Delete a file of the bot; ignore that it is deleted already."""
        try:
            self._call_with_retry(lambda: self._client.files_delete(file=file), is_idempotent=True)
        except SlackApiError as error:
            if error_name(error) not in {"file_not_found", "file_deleted"}:
                raise

    def delete_message(self, channel: str, ts: str) -> None:
        """Delete a message of the bot; ignore that it is deleted already."""
        try:
            self._call_with_retry(
                lambda: self._client.chat_delete(channel=channel, ts=ts), is_idempotent=True
            )
        except SlackApiError as error:
            if error_name(error) != "message_not_found":
                raise

    def set_status(self, thread: Thread, status: str) -> None:
        """
        Show `status` beside the app's name below a thread, if Slack takes it at once.

        A repetition changes nothing. Slack removes it after two minutes and with the app's next
        message in the thread.
        """
        try:
            with pace_calls(Priority.BACKGROUND, SHORT_WAIT_SECONDS):
                self.try_to_set_status(thread, status)
        except CALL_ERRORS as error:
            log.warning("status not set", channel=thread.channel, why=error_name(error))

    def try_to_set_status(self, thread: Thread, status: str) -> None:
        """Show `status` as `set_status` does, or raise; an empty one removes it."""
        self._client.assistant_threads_setStatus(
            channel_id=thread.channel, thread_ts=thread.ts, status=status
        )

    def suggest_prompts(self, channel: str, title: str, prompts: list[dict[str, str]]) -> None:
        """Pin prompts above a direct message, each with `title` and `message`."""
        self._client.assistant_threads_setSuggestedPrompts(
            channel_id=channel, title=title, prompts=prompts
        )

    def end_session(self, thread: Thread) -> None:
        """End the session of a thread: Slack's own Stop disappears."""
        with pace_calls(Priority.BACKGROUND, SHORT_WAIT_SECONDS):
            self._client.agents_sessions_setStatus(
                channel_id=thread.channel, thread_ts=thread.ts, status="active"
            )

    def publish_home(self, user: str, view: dict[str, Any]) -> None:
        """Publish the Home tab of a user."""
        self._call_with_retry(lambda: self._client.views_publish(user_id=user, view=view))

    def update_view(self, view_id: str, view: dict[str, Any]) -> None:
        """Replace an open modal."""
        self._call_with_retry(
            lambda: self._client.views_update(view_id=view_id, view=view), is_idempotent=True
        )

    def stop_waiting(self) -> None:
        """End all waits for rate limits: the process stops."""
        self._stopped.set()

    def _call_with_retry(self, call: Callable[[], Any], *, is_idempotent: bool = False) -> Any:
        with pace_calls(Priority.BACKGROUND):
            return self._repeat_call(call, is_idempotent=is_idempotent)

    def _repeat_call(self, call: Callable[[], Any], *, is_idempotent: bool = False) -> Any:
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
                is_spent = isinstance(error, NoBudgetError)
                if wait is None or is_spent or self._stopped.wait(wait):
                    raise
        return call()


def retry_after(error: Exception, max_seconds: float) -> float | None:
    """Return the seconds until a rate limit ends; `None` for other errors and longer waits."""
    seconds = rate_limit_seconds(error)
    return seconds if seconds is not None and seconds <= max_seconds else None
