"""Generated text: what the engine has generated for one reply, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.answering.stop_conditions.stop_checker import ReplyCut, StopChecker
from worker.answering.stop_conditions.turn_labels import NO_LABELS, TurnLabels
from worker.engine import FinishReason
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.tokenizer import IncrementalDetokenizer
from worker.render.model import CutReason


@dataclass(slots=True)
class GeneratedText:
    """Text in generation, with the facts about its end."""

    deadline: float | None = None
    """Time at which the engine stops (s, monotonic)."""
    labels: TurnLabels = NO_LABELS
    """Labels at which a line begins a person's turn."""
    text: str = ""
    token_ids: tuple[int, ...] = ()
    """Generated token ids, if they decode to exactly this text."""
    all_ids: tuple[int, ...] = ()
    """All generated token ids, unless the text was cut before their end."""
    finish_reason: FinishReason = FinishReason.STOPPED
    cut_reason: CutReason | None = None
    """Why the text was cut; `None` if the model, a limit or an operator ended it."""
    new_tokens: int = 0
    shared_tokens: int = 0
    """How many of `new_tokens` were generated for another reply, which pays for them."""
    gpu_seconds: float = 0.0
    """The generation's share of the engine's steps."""
    first_text_seconds: float | None = None
    """Seconds from the start of generation until the first text."""

    @property
    def ending(self) -> str:
        """The finish reason for the reply's facts."""
        return str(self.cut_reason or self.finish_reason)


class TextBuilder:
    """Decodes the ids of one reply into its `GeneratedText`, up to where the reply must end."""

    def __init__(self, encoder: ChatEncoder, generated: GeneratedText) -> None:
        """Fill in `generated`."""
        self.has_ended = False
        """Whether the reply must end here, although the model may continue."""
        self._generated = generated
        self._tokenizer = encoder.tokenizer
        self._detokenizer = IncrementalDetokenizer(encoder.tokenizer)
        self._checker = StopChecker(generated.labels, encoder.stop_strings)
        self._token_ids: list[int] = []

    @property
    def visible_text(self) -> str:
        """The text without an end that may turn out to end the reply before it."""
        return self._checker.settled_text(self._generated.text)

    def add_ids(self, ids: Sequence[int]) -> bool:
        """Add ids; return whether the text has grown."""
        new_text = self._detokenizer.append_ids(ids)
        self._token_ids += ids
        self._generated.new_tokens += len(ids)
        self._generated.text += new_text
        if new_text:
            self._cut_text(self._checker.find_cut(self._generated.text))
        return bool(new_text)

    def finish_text(self) -> None:
        """Add the rest after the last id, and keep the ids if they decode to the whole text."""
        generated = self._generated
        if not self.has_ended:
            generated.text += self._detokenizer.flush_text()
            reason = generated.finish_reason
            self._cut_text(self._checker.find_final_cut(generated.text, reason))
        if generated.cut_reason is None:
            generated.all_ids = tuple(self._token_ids)
        if self._tokenizer.encodes_exactly(self._token_ids, generated.text):
            generated.token_ids = tuple(self._token_ids)

    def _cut_text(self, cut: ReplyCut | None) -> None:
        if cut is not None:
            self.has_ended = True
            self._generated.text = self._generated.text[: cut.length].rstrip()
            self._generated.finish_reason = FinishReason.STOP
            self._generated.cut_reason = cut.reason
