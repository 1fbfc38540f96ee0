"""Liveness, readiness and metrics over HTTP, for a supervisor and for Prometheus."""

from collections.abc import Callable
from typing import Final

from redis import Redis
from redis.exceptions import RedisError

from bot.metrics import Metrics
from bot.slack.http_server import Request, Response, Route
from contract import keys

METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Health endpoints. The bot is ready if Slack reaches it and it reaches Redis."""

    def __init__(self, redis: Redis, metrics: Metrics, has_connection: Callable[[], bool]) -> None:
        self._redis = redis
        self._metrics = metrics
        self._has_connection = has_connection

    @property
    def routes(self) -> dict[str, Route]:
        """Handler of each path."""
        return {
            "/healthz": self._serve_liveness,
            "/readyz": self._serve_readiness,
            "/metrics": self._serve_metrics,
        }

    def is_ready(self) -> bool:
        """Return whether the bot would enqueue a mention sent now."""
        try:
            # Not PING: Redis answers that even to users without any other permission.
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
