"""How long the line is, who works on it, and what follows from that for a new question."""

from redis import Redis

from bot.store.client import decode_reply
from contract import keys, worker_status


class QueueStatus:
    """Reads the state of the queue. Raises `redis.exceptions.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def live_workers(self) -> tuple[worker_status.WorkerStatus, ...]:
        """Return what the workers that are alive say about themselves."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(keys.WORKER_STATUSES)
            (seconds, micros), stored = pipe.execute()
        beats = {
            decode_reply(name).encode(): decode_reply(said).encode()
            for name, said in stored.items()
        }
        return worker_status.live_workers(beats, seconds + micros / 1e6)

    def queue_depth(self) -> int:
        """Count the questions that are accepted and not answered."""
        return self._redis.zcard(keys.PENDING_JOBS)
