"""Worker of the RQ baseline: RQ's stock worker with its default settings."""

import os

from redis import Redis
from rq import Worker

from chaos.baselines.bolt_front_end import log_event
from chaos.baselines.stock_rq_front_end import QUEUE


def main() -> None:
    """Run RQ's worker until killed."""
    worker = Worker([QUEUE], connection=Redis.from_url(os.environ["REDIS_URL"]))
    log_event("model loaded")
    worker.work(logging_level="WARNING", with_scheduler=False)


if __name__ == "__main__":
    main()
