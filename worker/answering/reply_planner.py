"""Reply planner: reads a thread's files, builds the prompt, and plans the reply to one job."""

from dataclasses import dataclass, field

from contract.answers import Answer
from contract.job import Job
from contract.rework import ReworkKind
from worker.answering.answer_cache import CachedConversation
from worker.answering.generation_record import FileUse
from worker.answering.generator import Generator
from worker.answering.loaded_model import LoadedModel
from worker.answering.publishing.finished_answer import present_facts
from worker.answering.reply_plans import ReplyPlan, plan_continuation, plan_replay, plan_reply
from worker.answering.stop_conditions.turn_labels import TurnLabels
from worker.errors import FilesUnreadableError
from worker.files.file_reader import FileReader, ThreadFiles
from worker.prompt.builder import Prompt, PromptSources


@dataclass(slots=True)
class ReplyPlanner:
    """
    Planner of one attempt. `present` is the finished reply that the job works on, if any.

    `labels` are those at which the generation must end.
    """

    generator: Generator
    loaded: LoadedModel
    job: Job
    present: Answer | None
    conversation: CachedConversation
    reader: FileReader
    labels: TurnLabels = field(init=False)
    _files: ThreadFiles = field(default_factory=ThreadFiles)
    _file_note: str = ""

    def __post_init__(self) -> None:
        self.labels = TurnLabels.from_turns(self.job.turns)

    async def make_plan(self) -> ReplyPlan:
        """Plan the reply. Raises `NoReplyError` if there can be none."""
        kind = self.job.rework.kind if self.job.rework else None
        if kind is ReworkKind.CONTINUE:
            self._file_note = present_facts(self.job, self.present).file_note
            return await plan_continuation(
                self.generator, self.loaded, self.job, self.present, self._build_prompt
            )
        prompt = await self._build_prompt()
        if kind is ReworkKind.REPLAY:
            return plan_replay(prompt, self.job, self.present, self.loaded.info)
        return plan_reply(self.generator, prompt, self.job, self.present)

    def summarize_files(self, plan: ReplyPlan) -> FileUse:
        """Return what the plan's prompt holds of the thread's files."""
        return FileUse(self._file_note, *self._files.count_use(plan.prompt))

    async def _build_prompt(self, reserved_tokens: int = 0) -> Prompt:
        job, turns = self.job, self.conversation.turns
        found = await self.reader.read_files(job, turns)
        sources = PromptSources(self.conversation.token_ids, found.texts)
        prompt = await self.generator.build_prompt(
            self.loaded, turns, sources, job.rules, reserved_tokens
        )
        self._files = found
        self._file_note = found.describe_use(prompt).translate(job.language)
        shown = [excerpt.text for excerpt in prompt.excerpts.values() if excerpt.is_visible]
        has_words = turns[-1].text.strip() or any(file.preview for file in turns[-1].files)
        if turns[-1].files and not (shown or has_words):
            raise FilesUnreadableError(self._file_note)
        # A reply may quote a label at which a line of a file begins.
        quoted = [turns[-1].model_copy(update={"text": text}) for text in shown]
        self.labels = TurnLabels.from_turns((*job.turns, *quoted))
        return prompt
