"""`python -m chaos.baselines.naive_worker`: takes from a list, generates, posts."""

import contextlib
import json
import os
import threading

from redis import Redis
from redis.exceptions import RedisError
from slack_sdk.errors import SlackApiError

from chaos.baselines.bolt_front_end import say
from chaos.baselines.echo_reply import reply
from chaos.baselines.naive_front_end import QUEUE

THREADS = 4


def main() -> None:
    """Work until killed."""
    threads = [threading.Thread(target=_work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    say("model loaded")
    for thread in threads:
        thread.join()


def _work() -> None:
    redis = Redis.from_url(os.environ["REDIS_URL"])
    pause = threading.Event()
    while True:
        taken = None
        try:
            taken = redis.blpop([QUEUE], timeout=1)
        except RedisError:
            pause.wait(0.5)
        if taken is not None:
            with contextlib.suppress(SlackApiError, OSError, ValueError):
                reply(*json.loads(taken[1]))


if __name__ == "__main__":
    main()
