"""Tells a supervisor and Prometheus how the bot is; no ids and no texts are among the labels."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from bot.slack.http_server import Answer, Request, Route
from contract import keys

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the bot counts. One object a process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._acks = Counter(
            "starchat_bot_events",
            "Requests of Slack by type, and whether they were acknowledged.",
            ("type", "acknowledged"),
            registry=self.registry,
        )
        self._latency = Histogram(
            "starchat_bot_ack_seconds",
            "Seconds from the arrival of a request to the decision to acknowledge it.",
            registry=self.registry,
            buckets=BUCKETS,
        )
        self._turns = Counter(
            "starchat_bot_turns", "Turns by outcome.", ("outcome",), registry=self.registry
        )
        self._told = Counter(
            "starchat_bot_notices",
            "Messages that were answered by a fixed sentence.",
            ("verdict",),
            registry=self.registry,
        )
        self._sockets = Counter(
            "starchat_bot_connections", "Socket Mode connections opened.", registry=self.registry
        )
        self._ready = Gauge("starchat_bot_ready", "1 if the bot is ready.", registry=self.registry)

    def request(self, kind: str, seconds: float, *, acknowledged: bool) -> None:
        """Count a request of Slack and how long its acknowledgement took."""
        self._acks.labels(kind, "yes" if acknowledged else "no").inc()
        self._latency.observe(seconds)

    def outcome(self, outcome: str) -> None:
        """Count a turn."""
        self._turns.labels(outcome).inc()

    def verdict(self, verdict: str) -> None:
        """Count a message that was answered by a fixed sentence."""
        self._told.labels(verdict).inc()

    def connected(self) -> None:
        """Count a new Socket Mode connection."""
        self._sockets.inc()

    def text(self, *, ready: bool) -> bytes:
        """Return everything in Prometheus' text format."""
        self._ready.set(int(ready))
        return generate_latest(self.registry)


class Health:
    """Readiness: Slack reaches us and we reach Redis."""

    def __init__(self, redis: Redis, metrics: Metrics, connected: Callable[[], bool]) -> None:
        self._redis = redis
        self._metrics = metrics
        self._connected = connected

    @property
    def routes(self) -> dict[str, Route]:
        """What a server answers by path."""
        return {"/healthz": self._alive, "/readyz": self._ready, "/metrics": self._numbers}

    def ready(self) -> bool:
        """Say whether a mention sent now would be taken in."""
        try:
            # Not a ping: that is answered to users too who may do nothing else.
            return self._connected() and self._redis.zcard(keys.PENDING_JOBS) >= 0
        except RedisError:
            return False

    def _alive(self, _: Request) -> Answer:
        return Answer(200, b"alive\n")

    def _ready(self, _: Request) -> Answer:
        return Answer(200, b"ready\n") if self.ready() else Answer(503, b"not ready\n")

    def _numbers(self, _: Request) -> Answer:
        return Answer(200, self._metrics.text(ready=self.ready()), {"Content-Type": TEXT})
