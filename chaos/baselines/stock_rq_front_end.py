"""Bot of the RQ baseline: enqueues mentions as RQ jobs with three retries."""

import os

from redis import Redis
from rq import Queue, Retry

from chaos.baselines.bolt_front_end import serve_mentions

QUEUE = "stock"


def main() -> None:
    """Run the bot until SIGTERM."""
    queue = Queue(QUEUE, connection=Redis.from_url(os.environ["REDIS_URL"]))

    def enqueue_mention(channel: str, thread: str, token: str) -> None:
        task = "chaos.baselines.echo_reply.post_reply"
        queue.enqueue(task, channel, thread, token, retry=Retry(max=3))

    serve_mentions(enqueue_mention)


if __name__ == "__main__":
    main()
