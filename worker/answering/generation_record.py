"""Generation record: what a reply was generated from, and the answers that its texts become."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from contract.answers import Answer
from contract.job import Job
from contract.masking import SecretMasker
from contract.reply_details import MS_PER_SECOND, ReplyDetails, limit_count
from contract.stop import StopRecord
from worker.answering.candidates.race import Candidate
from worker.answering.generated_text import GeneratedText
from worker.answering.publishing.finished_answer import FinishedAnswer, collect_trusted_texts
from worker.answering.reply_plans import CUT_ENDINGS, ReplyPlan, describe_generation
from worker.engine import FinishReason, ModelInfo
from worker.render import ReplyFacts


class FileUse(NamedTuple):
    """What a prompt holds of a thread's files: a sentence, and how many were read and left out."""

    note: str
    num_read: int
    num_left_out: int


@dataclass(frozen=True, slots=True)
class GenerationRecord:
    """One generation for a job, which may have several candidates."""

    job: Job
    info: ModelInfo
    plan: ReplyPlan
    files: FileUse
    wait_seconds: float
    total_seconds: float

    def collect_facts(self, generated: GeneratedText) -> ReplyFacts:
        """Return the facts about one text."""
        prompt = self.plan.prompt
        return ReplyFacts(
            model=self.info.name,
            finish_reason=generated.ending,
            max_new_tokens=len(self.plan.prefix_ids) + prompt.max_new_tokens,
            conversation_texts=collect_trusted_texts(self.job),
            dropped_turns=prompt.dropped_turns,
            file_note=self.files.note,
            is_rule_shortened=prompt.is_rule_shortened,
            language=self.job.language,
        )

    def collect_details(self, candidate: Candidate) -> ReplyDetails:
        """Return the details of one text."""
        sampling = replace(self.plan.sampling, seed=candidate.seed)
        details = describe_generation(
            replace(self.plan, sampling=sampling),
            candidate.generated,
            self.info,
            wait_seconds=self.wait_seconds,
            total_seconds=self.total_seconds,
        )
        counts = {"files_read": self.files.num_read, "files_left_out": self.files.num_left_out}
        return details.model_copy(update=counts)

    def finish_text(self, candidate: Candidate, stop: StopRecord | None) -> FinishedAnswer:
        """Return one text as an answer; `stop` is the person who stopped it."""
        generated, masker = candidate.generated, SecretMasker()
        text = masker.mask_text(generated.text)
        is_masked = text != generated.text
        facts = replace(self.collect_facts(generated), hidden_secrets=masker.count)
        # Token ids of a secret are the secret.
        token_ids = () if is_masked else generated.token_ids
        answer = Answer(text=text, token_ids=token_ids, prompt_digest=self.plan.digest)
        if generated.all_ids and generated.ending in CUT_ENDINGS and not is_masked:
            cut = {"prompt_ids": self.plan.base_ids, "cut_ids": generated.all_ids}
            answer = answer.model_copy(update=cut)
        # A stop after the last token changes nothing.
        if stop is not None and generated.ending == FinishReason.STOPPED:
            facts = name_stop(facts, self.job, stop, generated.new_tokens if text else 0)
        return FinishedAnswer(answer, facts, self.collect_details(candidate))

    async def finish_answer(
        self, candidates: Sequence[Candidate], chosen: int, stop: StopRecord | None
    ) -> FinishedAnswer:
        """Return the chosen candidate as the answer, with the others that are whole and differ."""
        gpu_seconds = sum(candidate.generated.gpu_seconds for candidate in candidates)
        cost: dict[str, object] = {"gpu_ms": limit_count(gpu_seconds * MS_PER_SECOND)}
        if len(candidates) > 1:
            cost |= {"scores": tuple(one.score for one in candidates), "chosen": chosen}
        finished: dict[int, FinishedAnswer] = {}
        for number in [chosen, *range(chosen), *range(chosen + 1, len(candidates))]:
            candidate = candidates[number]
            if number != chosen and not candidate.is_whole:
                continue
            # A long text takes seconds if nearly every word may begin a secret.
            answer = await asyncio.to_thread(self.finish_text, candidate, stop)
            if any(answer.text == other.text for other in finished.values()):
                continue
            details = answer.details.model_copy(update=cost | {"candidate": number})
            facts = replace(
                answer.facts, candidate=number, chosen=chosen, candidates=len(candidates)
            )
            finished[number] = replace(answer, details=details, facts=facts)
        best, *others = finished.values()
        versions = [other.to_stored_answer().as_version() for other in others]
        return replace(best, answer=best.answer.add_others(versions))


def name_stop(facts: ReplyFacts, job: Job, stop: StopRecord, new_tokens: int) -> ReplyFacts:
    """Return the facts of a reply that a person stopped."""
    label = stop.label_for(job.user, job.charged_user)
    name = label if isinstance(label, str) else label.translate(facts.language)
    return replace(facts, stopped_by=name, new_tokens=new_tokens)
