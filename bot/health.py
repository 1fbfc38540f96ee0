"""Tells a supervisor and Prometheus how the bot is; no ids and no texts are among the labels."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from redis import Redis
from redis.exceptions import RedisError

from bot.slack.http_server import Request, Response, Route
from contract import keys

ACK_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the bot counts. One object a process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "starchat_bot_requests",
            "Requests of Slack by type, and whether they were acknowledged.",
            ("type", "acknowledged"),
            registry=self.registry,
        )
        self._ack_seconds = Histogram(
            "starchat_bot_ack_seconds",
            "Seconds from the arrival of a request to the decision to acknowledge it.",
            registry=self.registry,
            buckets=ACK_BUCKETS_SECONDS,
        )
        self._questions = Counter(
            "starchat_bot_questions", "Questions by outcome.", ("outcome",), registry=self.registry
        )
        self._notices = Counter(
            "starchat_bot_notices",
            "Messages that were answered by a fixed sentence.",
            ("verdict",),
            registry=self.registry,
        )
        self._connections = Counter(
            "starchat_bot_connections", "Socket Mode connections opened.", registry=self.registry
        )
        self._ready = Gauge("starchat_bot_ready", "1 if the bot is ready.", registry=self.registry)

    def count_request(self, kind: str, seconds: float, *, acknowledged: bool) -> None:
        """Count a request of Slack and how long its acknowledgement took."""
        self._requests.labels(kind, "yes" if acknowledged else "no").inc()
        self._ack_seconds.observe(seconds)

    def count_question(self, outcome: str) -> None:
        """Count a turn."""
        self._questions.labels(outcome).inc()

    def count_notice(self, verdict: str) -> None:
        """Count a message that was answered by a fixed sentence."""
        self._notices.labels(verdict).inc()

    def count_connection(self) -> None:
        """Count a new Socket Mode connection."""
        self._connections.inc()

    def export_text(self, *, ready: bool) -> bytes:
        """Return everything in Prometheus' text format."""
        self._ready.set(int(ready))
        return generate_latest(self.registry)


class Health:
    """Readiness: Slack reaches us and we reach Redis."""

    def __init__(self, redis: Redis, metrics: Metrics, has_connection: Callable[[], bool]) -> None:
        self._redis = redis
        self._metrics = metrics
        self._has_connection = has_connection

    @property
    def routes(self) -> dict[str, Route]:
        """What a server answers by path."""
        return {
            "/healthz": self._serve_liveness,
            "/readyz": self._serve_readiness,
            "/metrics": self._serve_metrics,
        }

    def is_ready(self) -> bool:
        """Say whether a mention sent now would be taken in."""
        try:
            # Not a ping: that is answered to users too who may do nothing else.
            return self._has_connection() and self._redis.zcard(keys.PENDING_JOBS) >= 0
        except RedisError:
            return False

    def _serve_liveness(self, _: Request) -> Response:
        return Response(200, b"alive\n")

    def _serve_readiness(self, _: Request) -> Response:
        return Response(200, b"ready\n") if self.is_ready() else Response(503, b"not ready\n")

    def _serve_metrics(self, _: Request) -> Response:
        return Response(
            200,
            self._metrics.export_text(ready=self.is_ready()),
            {"Content-Type": METRICS_CONTENT_TYPE},
        )
