"""Prometheus metrics of the bot; no ids and no texts are among the labels."""

from collections.abc import Collection
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contract.model_labels import ModelLabels
from contract.worker_status import ServedModel

ACK_BUCKETS_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0)


class Metrics:
    """Counters of one bot, in a registry that no other bot of the process shares."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "starchat_bot_requests",
            "Slack requests by type and by whether they were acknowledged.",
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
            "Messages that the bot answered itself, by verdict.",
            ("verdict",),
            registry=self.registry,
        )
        self._votes = Counter(
            "starchat_votes",
            "Changes of votes that were stored, by kind and by the reply's model and revision.",
            ("kind", "model", "revision"),
            registry=self.registry,
        )
        self._model_labels = ModelLabels()
        self._connections = Counter(
            "starchat_bot_connections", "Socket Mode connections opened.", registry=self.registry
        )
        self._ready = Gauge(
            "starchat_bot_ready", "1 if the bot is ready, else 0.", registry=self.registry
        )
        self._records_available = Gauge(
            "starchat_bot_records_available",
            "1 if the last use of the records' database succeeded, else 0.",
            registry=self.registry,
        )

    def count_request(self, kind: str, seconds: float, *, acknowledged: bool) -> None:
        """Count a Slack request; `seconds` passed from its arrival to the decision."""
        self._requests.labels(kind, "yes" if acknowledged else "no").inc()
        self._ack_seconds.observe(seconds)

    def count_question(self, outcome: str) -> None:
        """Count a question by the outcome of its enqueueing."""
        self._questions.labels(outcome).inc()

    def count_notice(self, verdict: str) -> None:
        """Count a message that the bot answered itself."""
        self._notices.labels(verdict).inc()

    def count_vote(self, kind: str, model: ServedModel, served: Collection[ServedModel]) -> None:
        """
        Count a stored change of a vote: `up`, `down`, `ran`, `reason` or `withdrawn`.

        Models that are not among the `served` ones count as one.
        """
        labels = self._model_labels.choose(model, served)
        self._votes.labels(kind, labels.model, labels.revision).inc()

    def count_connection(self) -> None:
        """Count a new Socket Mode connection."""
        self._connections.inc()

    def export_text(self, *, ready: bool, records: bool = True) -> bytes:
        """Return all metrics in Prometheus' text format; `records` are available or not."""
        self._ready.set(int(ready))
        self._records_available.set(int(records))
        return generate_latest(self.registry)
