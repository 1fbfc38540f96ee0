"""A backfill in the test's process, for outages without a question."""

import threading
from typing import Any

from redis import Redis
from slack_sdk import WebClient

from bot.handlers.backfill import Backfill
from bot.slack.delivery_gaps import DeliveryGaps
from bot.slack.paging import PacedReader
from bot.store.job_queue import JobQueue
from bot.store.thread_modes import ThreadModes
from testing.slack_events import BOT_IDENTITY


def build_backfill(
    web: WebClient, redis: Redis, gaps: DeliveryGaps, stopped: threading.Event
) -> Backfill:
    """Build a backfill without handlers: what no one has asked is not handled."""
    unused: Any = None
    return Backfill(
        BOT_IDENTITY,
        web,
        PacedReader(stopped),
        unused,
        unused,
        JobQueue(redis),
        ThreadModes(redis),
        unused,
        gaps,
    )
