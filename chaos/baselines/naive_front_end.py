"""`python -m tests.chaos.baselines.naive_front`: puts mentions into a Redis list."""

import json
import os

from redis import Redis

from tests.chaos.baselines.front import serve

QUEUE = "naive"


def main() -> None:
    """Serve."""
    redis = Redis.from_url(os.environ["REDIS_URL"])

    def send(channel: str, thread: str, token: str) -> None:
        redis.rpush(QUEUE, json.dumps([channel, thread, token]))

    serve(send)


if __name__ == "__main__":
    main()
