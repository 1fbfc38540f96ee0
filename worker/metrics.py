"""What the worker counts and measures for Prometheus: numbers only, no ids and no text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from worker.answering.generator import GeneratedText
from worker.jobs.task import Outcome


class Metrics:
    """The numbers of one process, in a registry of its own."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self._queue_wait = Histogram(
            "starchat_queue_wait_seconds",
            "From acceptance of a question until a worker took it.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self._first_text = Histogram(
            "starchat_time_to_first_text_seconds",
            "From the start of generation until its first text.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._tokens = Counter(
            "starchat_tokens", "Tokens generated for replies.", registry=self.registry
        )
        self._token_rate = Gauge(
            "starchat_tokens_per_second", "Over the last seconds.", registry=self.registry
        )
        self._outcomes = Counter(
            "starchat_jobs", "Jobs by how they ended.", ["outcome"], registry=self.registry
        )
        self._calls = Counter(
            "starchat_slack_calls",
            "Calls of Slack's Web API.",
            ["method", "outcome"],
            registry=self.registry,
        )
        self._in_flight = Gauge("starchat_jobs_in_flight", "Jobs held now.", registry=self.registry)
        self._busy_slots = Gauge(
            "starchat_slots_busy", "Replies generated now.", registry=self.registry
        )

    def record_queue_wait(self, seconds: float) -> None:
        """Count a job that was taken after so many seconds in line."""
        self._queue_wait.observe(seconds)

    def record_generation(self, generated: GeneratedText) -> None:
        """Count a generated answer."""
        self._tokens.inc(generated.new_tokens)
        if generated.first_text_seconds is not None:
            self._first_text.observe(generated.first_text_seconds)

    def count_outcome(self, outcome: Outcome | str) -> None:
        """Count the end of a job."""
        self._outcomes.labels(outcome=str(outcome)).inc()

    def count_call(self, method: str, outcome: str) -> None:
        """Count a call of the Web API; the outcome is ok, limited, refused or failed."""
        self._calls.labels(method=method, outcome=outcome).inc()

    def set_gauges(self, in_flight: int, busy_slots: int, tokens_per_second: float) -> None:
        """Note the state of this moment."""
        self._in_flight.set(in_flight)
        self._busy_slots.set(busy_slots)
        self._token_rate.set(tokens_per_second)

    def render_metrics(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)
