"""Rework harness: a finished reply, and jobs that work on it, in one process."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, partial
from pathlib import Path

from contract import keys
from contract.answers import Answer, previous_field
from contract.reply_controls import CODE_ACTION_ID, RAN_ACTION_ID
from contract.rework import Rework, ReworkKind
from contract.surplus import Surplus
from testing.reply_harness import ReplyHarness
from testing.scripted_engine import ScriptedEngine
from testing.worker_harness import refill_budgets, reply_metadata
from worker.answering.attempt import AttemptLimits
from worker.answering.generator import GenerationSettings, Generator
from worker.answering.pipeline import AnswerPipeline
from worker.answering.publishing.reply_layout import CheckBlocks
from worker.answering.served_models import ServedModels
from worker.engine import (
    EngineEvent,
    EngineLostError,
    Finished,
    FinishReason,
    Request,
    Tokens,
)
from worker.failpoints import Failpoints
from worker.jobs.job_context import JobContext, Outcome, RequeueError
from worker.metrics import Metrics
from worker.prompt.tokenizer import Tokenizer
from worker.wording.wording_check import WordingCheck

TOKEN_SECONDS = 0.5
"""GPU time of each token that the engine says it has used."""
MAX_EXECUTIONS = 6
"""Executions of one job; a job that needs more is stuck."""


class KilledError(BaseException):
    """The execution ended here, as by a kill."""


class RaisingFailpoints(Failpoints):
    """Failpoints that end the execution at the first one of `armed`, once."""

    def __init__(self, armed: StrEnum) -> None:
        super().__init__()
        self._armed: StrEnum | None = armed

    def hit(self, failpoint: StrEnum) -> None:
        """Raise `KilledError` at the armed failpoint."""
        if failpoint == self._armed:
            self._armed = None
            raise KilledError


@dataclass
class RecordingEngine(ScriptedEngine):
    """
    An engine that keeps the requests.

    Of a prompt that ends with the beginning of `text`, it generates the rest. With `is_broken`, it
    fails instead.
    """

    requests: list[Request] = field(default_factory=list)
    is_broken: bool = False

    async def _continue_prompt(self, request: Request) -> AsyncGenerator[EngineEvent]:
        """Yield the ids of the text, or of its rest, up to the requested maximum."""
        self.requests.append(request)
        if self.is_broken:
            raise EngineLostError
        ids = _load_tokenizer(self.directory).encode(self.text)
        shown = next(n for n in range(len(ids), -1, -1) if _ends_with(request.prompt, ids[:n]))
        limit = request.sampling.max_new_tokens
        rest = ids[shown : shown + limit]
        for number, token in enumerate(rest, 1):
            yield Tokens((token,), number * TOKEN_SECONDS)
        reason = FinishReason.LENGTH if len(ids) - shown > limit else FinishReason.STOP
        yield Finished(reason, len(request.prompt), len(rest), len(rest) * TOKEN_SECONDS)


@cache
def _load_tokenizer(directory: Path) -> Tokenizer:
    return Tokenizer.from_checkpoint(directory)


def _ends_with(prompt: Sequence[int], ids: Sequence[int]) -> bool:
    return not ids or list(prompt[-len(ids) :]) == list(ids)


class ReworkHarness:
    """A question, its reply, and the work on that reply. `reply` runs the jobs."""

    def __init__(
        self,
        reply: ReplyHarness,
        directory: Path,
        text: str,
        limit: int = 400,
        engine: RecordingEngine | None = None,
    ) -> None:
        """Let the engine generate `text`, at most `limit` tokens a request."""
        self.reply = reply
        self.engine = engine or RecordingEngine(directory, text)
        self.check_blocks: CheckBlocks | None = None
        """Checks of code; without them, no code is checked."""
        settings = GenerationSettings(
            max_new_tokens=limit, temperature=0.2, top_k=50, top_p=0.95, system_prompt=""
        )
        self._create_generator = partial(Generator, self.engine, settings)
        self.generator = self._create_generator()
        self.wording = WordingCheck(None, None)
        self.metrics = Metrics()
        self.age_seconds = 0.0
        """Age of the question at the first execution of its job."""

    def resize_context(self, positions: int) -> None:
        """Load the model again, with a context window of `positions` tokens."""
        self.engine.positions = positions
        self.generator = self._create_generator()

    def change_model(self, revision: str) -> None:
        """Serve another revision, as after a restart of the worker."""
        self.engine.revision = revision
        self.generator = self._create_generator()

    async def ask(self, failpoints: Failpoints | None = None) -> Outcome:
        """Answer the question."""
        return await self._run_executions(failpoints)

    async def rework(
        self,
        kind: ReworkKind,
        failpoints: Failpoints | None = None,
        fields: dict[str, str] | None = None,
        reply_id: str = "",
    ) -> Outcome:
        """Run a job that works on the reply, or on version `reply_id`, as the bot fills it in."""
        first, *later = self.reply.visible_messages
        present = (await self.read_versions())[0]
        rework = Rework(kind=kind, reply_id=reply_id or (present.reply_id if present else "0"))
        self.reply.job = self.reply.job.model_copy(update={"rework": rework})
        files = [file["id"] for message in later for file in message.get("files", [])]
        surplus = Surplus(messages=tuple(m["ts"] for m in later), files=tuple(files))
        await self.reply.client.delete(self.reply.job_key)
        filled = {
            keys.REWORK: kind.value,
            keys.PLACEHOLDER: first["ts"],
            keys.PLACEHOLDER_OWNER: keys.BOT_AGAIN,
            keys.SURPLUS: surplus.model_dump_json(),
        }
        for name, value in (filled | (fields or {})).items():
            await self.reply.client.hset(self.reply.job_key, name, value)
        return await self._run_executions(failpoints)

    async def repeat(self) -> Outcome:
        """Run the last job once more, as after a death between its last step and its record."""
        await self.reply.client.hdel(self.reply.job_key, keys.OUTCOME)
        return await self._run_executions(None)

    async def read_versions(self) -> tuple[Answer | None, Answer | None]:
        """Return the version of the reply that Redis keeps, and the one before."""
        thread = self.reply.job.thread
        key = keys.answer_cache(thread.team, thread.channel, thread.ts)
        names = [self.reply.job.ts, previous_field(self.reply.job.ts)]
        present, previous = await self.reply.client.hmget(key, names)
        return Answer.from_json(present), Answer.from_json(previous)

    def list_buttons(self) -> list[str]:
        """Return the labels of the asker's buttons below the reply."""
        return [
            str(element["text"]["text"])
            for block in self.reply.visible_messages[0]["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
            if element["action_id"] not in {RAN_ACTION_ID, CODE_ACTION_ID}
        ]

    def list_states(self) -> list[str]:
        """Return the states of the reply's messages; those of files have none."""
        found = (reply_metadata(message) for message in self.reply.visible_messages)
        return [str(payload["state"]) for payload in found if payload]

    async def _run_executions(self, failpoints: Failpoints | None) -> Outcome:
        """Run executions of the job until one ends it."""
        for number in range(MAX_EXECUTIONS):
            try:
                return await self._run_once(failpoints or Failpoints(), number)
            except KilledError:
                await self.reply.client.hincrby(self.reply.job_key, "starchat_recoveries", 1)
            except RequeueError:
                pass
        raise AssertionError("the job never ends")

    async def _run_once(self, failpoints: Failpoints, number: int) -> Outcome:
        refill_budgets(self.reply.harness.redis)
        message = await self.reply.take_job(failpoints=failpoints)
        pipeline = AnswerPipeline(
            ServedModels(self.generator),
            self.reply.open_sources(),
            lambda _: message,
            AttemptLimits(max_attempts=3, deadline_seconds=600.0),
            self.metrics,
            failpoints=failpoints,
        )
        if self.check_blocks is not None:
            pipeline.layout.check_blocks = self.check_blocks
        pipeline.layout.wording = self.wording
        age_seconds = self.age_seconds + number
        self.context = JobContext(self.reply.job, self.reply.state.lease, age_seconds=age_seconds)
        return await pipeline.run(self.context)
