"""Reply plans: what the engine is asked for, for a question or for work on a finished reply."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from contract.answers import Answer
from contract.job import Job
from contract.reply_details import (
    MAX_REVISION_CHARACTERS,
    MAX_SEED,
    MS_PER_SECOND,
    ReplyDetails,
    limit_count,
    shorten_line,
)
from contract.worker_status import ServedModel
from worker.answering.generated_text import GeneratedText
from worker.answering.generator import Generator
from worker.answering.loaded_model import LoadedModel
from worker.answering.publishing.finished_answer import FinishedAnswer, create_reply_id
from worker.engine import FinishReason, ModelInfo, SamplingParams
from worker.errors import (
    ContextFullError,
    ModelChangedError,
    PromptChangedError,
    QuestionTooLongError,
    VersionGoneError,
)
from worker.prompt.builder import Prompt

CUT_ENDINGS: Final = frozenset({FinishReason.LENGTH, FinishReason.STOPPED, FinishReason.TIMEOUT})
"""Ends of a reply that the model had not ended, and after which it can go further."""
MIN_CONTINUATION_TOKENS: Final = 16
"""Tokens for which a continuation is worth a request."""
DIGEST_CHARACTERS: Final = 32


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """
    A prompt with its sampling parameters.

    `prefix_ids` are the reply so far, with which the prompt ends. They are empty for a new reply.
    """

    prompt: Prompt
    sampling: SamplingParams
    prefix_ids: tuple[int, ...] = ()

    @property
    def base_ids(self) -> tuple[int, ...]:
        """The prompt without the reply so far."""
        return self.prompt.token_ids[: len(self.prompt.token_ids) - len(self.prefix_ids)]

    @property
    def digest(self) -> str:
        """Digest by which two prompts are compared."""
        words = ",".join(map(str, self.base_ids)).encode()
        return hashlib.sha256(words).hexdigest()[:DIGEST_CHARACTERS]


def plan_reply(
    generator: Generator, prompt: Prompt, job: Job, present: Answer | None = None
) -> ReplyPlan:
    """Plan a reply with a new seed, which is another one than that of the `present` reply."""
    used = None if present is None else FinishedAnswer.from_stored_answer(job, present).details.seed
    seed = secrets.randbelow(MAX_SEED + 1)
    if seed == used:
        seed = (seed + 1) % (MAX_SEED + 1)
    return ReplyPlan(prompt, generator.build_sampling(prompt, seed, job.rules))


def plan_replay(prompt: Prompt, job: Job, present: Answer | None, info: ModelInfo) -> ReplyPlan:
    """
    Plan the `present` reply once more.

    Raises `VersionGoneError`, `ModelChangedError` or `PromptChangedError` if that is impossible.
    """
    if present is None:
        raise VersionGoneError
    details = FinishedAnswer.from_stored_answer(job, present).details
    if not (is_same_model(details, info) and is_exact(info)):
        raise ModelChangedError
    sampling = SamplingParams(
        max_new_tokens=details.max_new_tokens,
        temperature=details.temperature,
        top_k=details.top_k,
        top_p=details.top_p,
        seed=details.seed,
    )
    plan = ReplyPlan(replace(prompt, max_new_tokens=details.max_new_tokens), sampling)
    is_too_long = len(prompt.token_ids) + details.max_new_tokens > info.max_positions
    if plan.digest != present.prompt_digest or is_too_long:
        raise PromptChangedError
    return plan


async def plan_continuation(
    generator: Generator,
    loaded: LoadedModel,
    job: Job,
    present: Answer | None,
    rebuild_prompt: Callable[[int], Awaitable[Prompt]],
) -> ReplyPlan:
    """
    Plan the rest of the `present` reply, which was cut, as the same turn.

    The prompt is the old one with the reply's ids. If it fills the context window, the oldest turns
    of the thread are left out: `rebuild_prompt` keeps a number of tokens free.

    Raises `VersionGoneError`, `ModelChangedError` or `ContextFullError` if that is impossible.
    """
    if present is None or not present.is_cut:
        raise VersionGoneError
    stored = FinishedAnswer.from_stored_answer(job, present)
    if not is_same_model(stored.details, loaded.info):
        raise ModelChangedError
    base = Prompt(
        present.prompt_ids,
        stored.facts.dropped_turns,
        max_new_tokens=0,
        shortened_turns=stored.details.shortened_turns,
    )
    prefix = present.cut_ids
    room = loaded.info.max_positions - len(base.token_ids) - len(prefix)
    if room < MIN_CONTINUATION_TOKENS:
        try:
            base = await rebuild_prompt(len(prefix))
        except (QuestionTooLongError, ValueError):
            raise ContextFullError from None
        room = base.max_new_tokens
    prompt = replace(
        base,
        token_ids=(*base.token_ids, *prefix),
        max_new_tokens=min(generator.limit_reply(job.rules), room),
    )
    return replace(plan_reply(generator, prompt, job, present), prefix_ids=prefix)


def describe_generation(
    plan: ReplyPlan,
    generated: GeneratedText,
    info: ModelInfo,
    *,
    wait_seconds: float,
    total_seconds: float,
) -> ReplyDetails:
    """Return the details of a new version of a reply."""
    sampling, prompt = plan.sampling, plan.prompt
    ends_by_itself = generated.ending not in {FinishReason.STOPPED, FinishReason.TIMEOUT}
    return ReplyDetails(
        reply_id=create_reply_id(),
        seed=sampling.seed,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_new_tokens=sampling.max_new_tokens,
        prompt_tokens=len(plan.base_ids),
        new_tokens=generated.new_tokens,
        shared_tokens=generated.shared_tokens,
        left_out_turns=prompt.dropped_turns,
        shortened_turns=prompt.shortened_turns,
        wait_ms=limit_count(wait_seconds * MS_PER_SECOND),
        first_text_ms=limit_count((generated.first_text_seconds or 0) * MS_PER_SECOND),
        total_ms=limit_count(total_seconds * MS_PER_SECOND),
        gpu_ms=limit_count(generated.gpu_seconds * MS_PER_SECOND),
        is_reproducible=is_exact(info) and ends_by_itself and not plan.prefix_ids,
    ).model_copy(update=describe_model(info))


def is_same_model(details: ReplyDetails, info: ModelInfo) -> bool:
    """Return whether the loaded model is the one that wrote a reply, in the same number format."""
    now = describe_model(info)
    return all(getattr(details, name) == value for name, value in now.items())


def name_model(info: ModelInfo) -> ServedModel:
    """Return a model as the details of its replies name it."""
    revision = shorten_line(info.revision or "", MAX_REVISION_CHARACTERS)
    return ServedModel(model=shorten_line(info.name), revision=revision)


def describe_model(info: ModelInfo) -> dict[str, str]:
    """Return the fields of the details that name a model and its number format."""
    return {
        **name_model(info).model_dump(),
        "device": shorten_line(info.device, 40),
        "dtype": shorten_line(info.dtype, 40),
    }


def is_exact(info: ModelInfo) -> bool:
    """
    Return whether the same prompt and seed give the same text in any batch.

    `tests/worker/engine/test_neighbours.py` shows it on a CPU, for weights in float32 and in
    float16, which are multiplied with float32 numbers.
    """
    return info.device == "cpu" and info.dtype in {"float32", "float16"}
