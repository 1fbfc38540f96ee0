"""Encoder of dialogues: token ids in StarChat's format, and the ranges that are learned."""

from pathlib import Path
from typing import NamedTuple

from finetune.errors import FinetuneError
from finetune.prepare.dialogues import Dialogue
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import STARCHAT_CONTROLS, starchat_format
from worker.prompt.tokenizer import CheckpointError, Tokenizer


class EncodedDialogue(NamedTuple):
    """Token ids, learned ranges, and the first and last message that fitted (last excluded)."""

    ids: list[int]
    learned: list[tuple[int, int]]
    first_message: int
    last_message: int


def load_chat_encoder(directory: Path) -> ChatEncoder:
    """Load the tokenizer of a checkpoint. Raises `FinetuneError`."""
    try:
        tokenizer = Tokenizer.from_checkpoint(directory)
    except CheckpointError as error:
        raise FinetuneError(str(error)) from error
    missing = [text for text in STARCHAT_CONTROLS if text not in tokenizer.control_tokens]
    if missing:
        raise FinetuneError(f"the tokenizer of {directory} lacks {' '.join(missing)}")
    return ChatEncoder(tokenizer, starchat_format)


class DialogueEncoder:
    """
    Encodes dialogues as the worker encodes prompts: no text can forge a control token.

    After `<|assistant|>` an answer is learned with the line break before it and the `<|end|>` that
    closes it, because the model writes both.
    """

    def __init__(self, directory: Path, max_tokens: int) -> None:
        """Load the tokenizer of a checkpoint. Raises `FinetuneError`."""
        self._encoder = load_chat_encoder(directory)
        self._tokenizer = self._encoder.tokenizer
        controls = self._tokenizer.control_tokens
        _, self._user, self._assistant, self._end = (
            controls[text].id for text in STARCHAT_CONTROLS
        )
        self._max_tokens = max_tokens

    def encode_dialogue(self, dialogue: Dialogue) -> EncodedDialogue | None:
        """
        Return as much of a dialogue as fits, in whole exchanges; `None` if none fits.

        The last exchanges are left out first. If only the last answer is learned, the oldest
        exchanges are.
        """
        *context, answer = dialogue.messages
        ids = list(self._encoder.encode_messages(context, dialogue.system))
        ids += [*self._tokenizer.encode("\n" + answer.text.removeprefix("\n")), self._end]
        if dialogue.learned_from:
            return self._fit_end(ids, dialogue)
        spans = [span for span in self._find_answers(ids) if span[1] <= self._max_tokens]
        if not spans:
            return None
        return EncodedDialogue(ids[: spans[-1][1]], spans, 0, 2 * len(spans))

    def _fit_end(self, ids: list[int], dialogue: Dialogue) -> EncodedDialogue | None:
        users = [place for place, token in enumerate(ids) if token == self._user]
        for exchange, start in enumerate(users):
            if users[0] + len(ids) - start <= self._max_tokens:
                fitting = ids[: users[0]] + ids[start:]
                learned = self._find_answers(fitting)[-1:]
                return EncodedDialogue(fitting, learned, 2 * exchange, len(dialogue.messages))
        return None

    def _find_answers(self, ids: list[int]) -> list[tuple[int, int]]:
        """Return the ranges after each `<|assistant|>` up to its `<|end|>`, which is included."""
        spans, start = [], None
        for place, token in enumerate(ids):
            if token == self._assistant:
                start = place + 1
            elif token == self._end and start is not None:
                spans.append((start, place + 1))
                start = None
        return spans
