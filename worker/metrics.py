"""Prometheus metrics of one worker. They contain numbers only: no ids and no text."""

from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from contract.code_verdicts import CodeVerdict
from contract.model_labels import ModelLabels
from contract.worker_status import ServedModel


class Metrics:
    """Metrics of one process, in a registry that belongs to this instance."""

    def __init__(self) -> None:
        """Register all metrics at zero."""
        self.registry = CollectorRegistry()
        self._queue_wait = Histogram(
            "starchat_queue_wait_seconds",
            "Seconds from the acceptance of a question until a worker claimed it.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self._first_text = Histogram(
            "starchat_time_to_first_text_seconds",
            "Seconds from the start of generation until its first text.",
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._tokens = Counter("starchat_tokens", "Generated tokens.", registry=self.registry)
        self._gpu_seconds = Counter(
            "starchat_gpu_seconds",
            "Seconds of the engine's steps that generated replies.",
            registry=self.registry,
        )
        self._shared_replies = Counter(
            "starchat_shared_replies",
            "Replies with tokens that were generated for another reply to the same prompt.",
            registry=self.registry,
        )
        self._token_rate = Gauge(
            "starchat_tokens_per_second",
            "Generated tokens per second, over the last seconds.",
            registry=self.registry,
        )
        self._earlier_answers = Counter(
            "starchat_earlier_answers",
            "Replies that pointed to an earlier answer, and those answered anyway afterwards.",
            ["event"],
            registry=self.registry,
        )
        self._outcomes = Counter(
            "starchat_jobs", "Ended jobs by outcome.", ["outcome"], registry=self.registry
        )
        self._calls = Counter(
            "starchat_slack_calls",
            "Calls of Slack's Web API by method and outcome.",
            ["method", "outcome"],
            registry=self.registry,
        )
        self._code_blocks = Counter(
            "starchat_code_blocks",
            "Code blocks of new replies by model, revision and a parser's verdict.",
            ["model", "revision", "verdict"],
            registry=self.registry,
        )
        self._model_labels = ModelLabels()
        self._in_flight = Gauge("starchat_jobs_in_flight", "Claimed jobs.", registry=self.registry)
        self._busy_slots = Gauge(
            "starchat_slots_busy", "Slots of the engine in use.", registry=self.registry
        )

    def record_queue_wait(self, seconds: float) -> None:
        """Record the queue wait of a claimed job."""
        self._queue_wait.observe(seconds)

    def record_generation(self, new_tokens: int, first_text_seconds: float | None) -> None:
        """Record a generated answer; `first_text_seconds` is None if it has no text."""
        self._tokens.inc(new_tokens)
        if first_text_seconds is not None:
            self._first_text.observe(first_text_seconds)

    def count_shared_reply(self) -> None:
        """Count a reply that shared another one's generation."""
        self._shared_replies.inc()

    def record_gpu_time(self, seconds: float) -> None:
        """Add a generation's share of the engine's steps."""
        self._gpu_seconds.inc(seconds)

    def count_outcome(self, outcome: str) -> None:
        """Count the end of a job."""
        self._outcomes.labels(outcome=outcome).inc()

    def count_earlier_answer(self, event: str) -> None:
        """Count a reply that points to an earlier answer. It is `shown` or `answered_anyway`."""
        self._earlier_answers.labels(event=event).inc()

    def count_call(self, method: str, outcome: str) -> None:
        """Count a Web API call. The outcome is `ok`, `limited`, `refused` or `failed`."""
        self._calls.labels(method=method, outcome=outcome).inc()

    def count_verdicts(
        self,
        model: ServedModel,
        verdicts: Iterable[CodeVerdict],
        served: Collection[ServedModel],
    ) -> None:
        """Count the code blocks of a reply by a model; those that are not served are one."""
        labels = self._model_labels.choose(model, served).model_dump()
        for verdict in verdicts:
            self._code_blocks.labels(**labels, verdict=str(verdict.kind)).inc(verdict.blocks)

    def set_gauges(self, in_flight: int, busy_slots: int, tokens_per_second: float) -> None:
        """Set all gauges."""
        self._in_flight.set(in_flight)
        self._busy_slots.set(busy_slots)
        self._token_rate.set(tokens_per_second)

    def render_metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
