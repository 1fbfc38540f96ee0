"""How both baselines reply: a stand-in for generation, then one post with the SDK's own retries."""

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
"""Seconds for which nothing is known of the reply outside its process."""


def post_reply(channel: str, thread: str, token: str) -> None:
    """Generate, then post."""
    time.sleep(GENERATION_SECONDS)
    build_client().chat_postMessage(
        channel=channel, thread_ts=thread, text=f"The reply to {token}."
    )


def build_client() -> WebClient:
    """Return a client with every retry handler that the SDK brings."""
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
