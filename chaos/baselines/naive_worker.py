"""Worker of the naive baseline: pops questions from a Redis list and posts replies."""

import contextlib
import json
import os
import threading

from redis import Redis
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from chaos.baselines.bolt_front_end import log_event
from chaos.baselines.echo_reply import post_reply
from chaos.baselines.naive_front_end import QUEUE

WORKER_THREADS = 4


def main() -> None:
    """Run the worker threads until killed."""
    threads = [threading.Thread(target=_run_worker) for _ in range(WORKER_THREADS)]
    for thread in threads:
        thread.start()
    log_event("model loaded")
    for thread in threads:
        thread.join()


def _run_worker() -> None:
    redis = Redis.from_url(os.environ["REDIS_URL"])
    pause = threading.Event()
    while True:
        item = None
        try:
            item = redis.blpop([QUEUE], timeout=1)
        except RedisError:
            pause.wait(0.5)
        if item is not None:
            with contextlib.suppress(SlackApiError, OSError, ValueError):
                post_reply(*json.loads(item[1]))


if __name__ == "__main__":
    main()
