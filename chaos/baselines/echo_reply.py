"""Reply of both baselines: a pause in place of generation, then one post with SDK retries."""

import os
import time
from typing import Final

from slack_sdk import WebClient
from slack_sdk.http_retry.builtin_handlers import (
    ConnectionErrorRetryHandler,
    RateLimitErrorRetryHandler,
    ServerErrorRetryHandler,
)

GENERATION_SECONDS: Final = 0.15
"""Time between dequeue and post, in which a kill loses the reply."""


def post_reply(channel: str, thread: str, token: str) -> None:
    """Wait for the duration of a generation, then post the reply."""
    time.sleep(GENERATION_SECONDS)
    build_client().chat_postMessage(
        channel=channel, thread_ts=thread, text=f"The reply to {token}."
    )


def build_client() -> WebClient:
    """Return a client with all retry handlers of Slack's SDK."""
    return WebClient(
        os.environ["SLACK_BOT_TOKEN"],
        base_url=os.environ["SLACK_API_URL"],
        timeout=10,
        retry_handlers=[
            ConnectionErrorRetryHandler(),
            RateLimitErrorRetryHandler(max_retry_count=3),
            ServerErrorRetryHandler(),
        ],
    )
