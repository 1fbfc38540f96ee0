"""`python -m chaos.baselines.naive_front_end`: puts mentions into a Redis list."""

import json
import os

from redis import Redis

from chaos.baselines.bolt_front_end import serve_mentions

QUEUE = "naive"


def main() -> None:
    """Serve."""
    redis = Redis.from_url(os.environ["REDIS_URL"])

    def enqueue_mention(channel: str, thread: str, token: str) -> None:
        redis.rpush(QUEUE, json.dumps([channel, thread, token]))

    serve_mentions(enqueue_mention)


if __name__ == "__main__":
    main()
