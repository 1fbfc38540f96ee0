"""Liveness, readiness and metrics over HTTP, for a supervisor and for Prometheus."""

from collections.abc import Callable
from typing import Final, Protocol

from redis import Redis
from redis.exceptions import RedisError

from bot.metrics import Metrics
from bot.slack.http_server import Request, Response, Route
from contract import keys
from contract.app_access import AppAccess
from contract.progress_watch import ProgressWatch

METRICS_CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Receiver(Protocol):
    """Receiver of Slack's requests."""

    watch: ProgressWatch

    @property
    def refusal(self) -> str | None:
        """Slack's error name if it refuses the connection."""
        ...

    def has_connection(self) -> bool:
        """Return whether Slack can reach the bot now."""
        ...


class Health:
    """
    Health endpoints. The bot is ready if Slack reaches and accepts it, and it reaches Redis.

    Liveness depends on nothing outside the process: a restart would not bring Slack back.
    Readiness does not depend on the records: without their database, questions are answered.
    """

    def __init__(
        self,
        redis: Redis,
        metrics: Metrics,
        access: AppAccess,
        find_records_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._redis = redis
        self._find_records_problem = find_records_problem
        self._metrics = metrics
        self._access = access
        self._receiver: Receiver | None = None
        self._watches: dict[str, ProgressWatch] = {}

    def watch_parts(
        self, receiver: Receiver, background: ProgressWatch, inbox: ProgressWatch
    ) -> None:
        """Watch the parts of a bot that serves from now on."""
        self._receiver = receiver
        self._watches = {
            "requests": receiver.watch,
            "background tasks": background,
            "inbox": inbox,
        }

    @property
    def routes(self) -> dict[str, Route]:
        """Handler of each path."""
        return {
            "/healthz": self._serve_liveness,
            "/readyz": self._serve_readiness,
            "/metrics": self._serve_metrics,
        }

    def find_missing(self) -> str | None:
        """Return what keeps the bot from answering a mention sent now; `None` if it is ready."""
        refusal, receiver = self._access.describe_refusal(), self._receiver
        if refusal is not None:
            return refusal
        if receiver is None or not receiver.has_connection():
            reason = receiver.refusal if receiver is not None else None
            return f"a connection to Slack ({reason})" if reason else "a connection to Slack"
        try:
            # Not PING: Redis answers that even to users without any other permission.
            self._redis.zcard(keys.PENDING_JOBS)
        except RedisError as error:
            return f"Redis ({type(error).__name__})"
        return None

    def _serve_liveness(self, _: Request) -> Response:
        stuck = [name for name, watch in self._watches.items() if watch.is_stuck()]
        if stuck:
            return Response(503, f"stuck: {', '.join(stuck)}\n".encode())
        return Response(200, b"alive\n")

    def _serve_readiness(self, _: Request) -> Response:
        missing = self.find_missing()
        if missing is not None:
            return Response(503, f"waiting for {missing}\n".encode())
        problem = self._find_records_problem()
        remark = f"; records unavailable ({problem})" if problem else ""
        return Response(200, f"ready{remark}\n".encode())

    def _serve_metrics(self, _: Request) -> Response:
        return Response(
            200,
            self._metrics.export_text(
                ready=self.find_missing() is None, records=self._find_records_problem() is None
            ),
            {"Content-Type": METRICS_CONTENT_TYPE},
        )
