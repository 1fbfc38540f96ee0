"""What the worker counts and measures for Prometheus: numbers only, no ids and no text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from worker.answering.generator import Reading
from worker.jobs.task import Outcome


class Metrics:
    """The numbers of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self._queued = Histogram(
            "starchat_queue_seconds",
            "From acceptance of a question until a worker took it.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self._first = Histogram(
            "starchat_first_text_seconds",
            "From the start of generation until its first text.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._tokens = Counter(
            "starchat_tokens", "Tokens generated for replies.", registry=self.registry
        )
        self._speed = Gauge(
            "starchat_tokens_per_second", "Over the last seconds.", registry=self.registry
        )
        self._ended = Counter(
            "starchat_jobs", "Jobs by how they ended.", ["outcome"], registry=self.registry
        )
        self._calls = Counter(
            "starchat_slack_calls",
            "Calls of Slack's Web API.",
            ["method", "outcome"],
            registry=self.registry,
        )
        self._inflight = Gauge("starchat_jobs_in_flight", "Jobs held now.", registry=self.registry)
        self._running = Gauge(
            "starchat_slots_busy", "Replies generated now.", registry=self.registry
        )

    def taken(self, seconds: float) -> None:
        """Count a job that was taken after so many seconds in line."""
        self._queued.observe(seconds)

    def generated(self, reading: Reading) -> None:
        """Count a generated answer."""
        self._tokens.inc(reading.new_tokens)
        if reading.first is not None:
            self._first.observe(reading.first)

    def ended(self, outcome: Outcome | str) -> None:
        """Count the end of a job."""
        self._ended.labels(outcome=str(outcome)).inc()

    def called(self, method: str, outcome: str) -> None:
        """Count a call of the Web API; the outcome is ok, limited, refused or failed."""
        self._calls.labels(method=method, outcome=outcome).inc()

    def now(self, in_flight: int, running: int, tokens_per_second: float) -> None:
        """Note the state of this moment."""
        self._inflight.set(in_flight)
        self._running.set(running)
        self._speed.set(tokens_per_second)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
