"""`python -m tests.chaos.baselines.stock`: RQ's own worker with its own settings."""

import os

from redis import Redis
from rq import Worker

from tests.chaos.baselines.front import say
from tests.chaos.baselines.stock_front import QUEUE


def main() -> None:
    """Work until killed."""
    worker = Worker([QUEUE], connection=Redis.from_url(os.environ["REDIS_URL"]))
    say("model loaded")
    worker.work(logging_level="WARNING", with_scheduler=False)


if __name__ == "__main__":
    main()
