"""Bot of the naive baseline: pushes mentions to a Redis list."""

import json
import os

from redis import Redis

from chaos.baselines.bolt_front_end import serve_mentions

QUEUE = "naive"


def main() -> None:
    """Run the bot until SIGTERM."""
    redis = Redis.from_url(os.environ["REDIS_URL"])

    def enqueue_mention(channel: str, thread: str, token: str) -> None:
        redis.rpush(QUEUE, json.dumps([channel, thread, token]))

    serve_mentions(enqueue_mention)


if __name__ == "__main__":
    main()
