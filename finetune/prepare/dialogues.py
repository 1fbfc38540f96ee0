"""Dialogues: turns of either side in their order, in the form of the model's prompts. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from contract.conversation import Speaker
from contract.masking import SecretMasker
from finetune.dialogue_files import Provenance, RoleMessage
from worker.prompt.chat_format import Message
from worker.prompt.context_window import TURN_SEPARATOR
from worker.prompt.tokenizer import replace_surrogates

SYSTEM_ROLE: Final = "system"
SPEAKERS: Final = {str(speaker): speaker for speaker in Speaker}
THREAD_HASH_CHARACTERS: Final = 20


class UnusableDialogueError(Exception):
    """A line holds no dialogue to learn from. The message is the reason, without its text."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """
    A dialogue that starts with a user's message, alternates, and ends with an assistant's.

    The assistant's messages from index `learned_from` on are learned; earlier ones are context.
    """

    thread: str
    system: str
    messages: tuple[Message, ...]
    provenance: Provenance
    learned_from: int = 0

    @property
    def learned_texts(self) -> list[str]:
        """Texts that the model learns to write."""
        learned = self.messages[self.learned_from :]
        return [text for speaker, text in learned if speaker is Speaker.ASSISTANT]

    @property
    def compared_text(self) -> str:
        """The text that makes a dialogue a duplicate: what is learned, and its questions."""
        compared = self.messages[max(0, self.learned_from - 1) :]
        return "\n".join(text for _, text in compared)

    @property
    def role_messages(self) -> tuple[RoleMessage, ...]:
        """The messages with the names of their roles, the system prompt first."""
        roles = [(SYSTEM_ROLE, self.system)] if self.system else []
        roles += [(str(speaker), text) for speaker, text in self.messages]
        return tuple(
            RoleMessage.model_validate({"role": role, "content": text}) for role, text in roles
        )


def hash_thread(key: str) -> str:
    """Return the hash that represents a thread in prepared data."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:THREAD_HASH_CHARACTERS]


def build_dialogue(
    turns: Iterable[tuple[object, object]], provenance: Provenance, thread: object = None
) -> Dialogue:
    """
    Return the dialogue of turns (role, text), of which those after the last answer are left out.

    Without a thread, dialogues with the same first message count as one. Raises
    `UnusableDialogueError`.
    """
    checked = [_check_turn(role, text) for role, text in turns]
    system = checked.pop(0)[1] if checked and checked[0][0] == SYSTEM_ROLE else ""
    if any(role == SYSTEM_ROLE for role, _ in checked):
        raise UnusableDialogueError("system turn after the first turn")
    messages = _merge_turns([(SPEAKERS[role], text) for role, text in checked])
    if messages and messages[-1].speaker is Speaker.USER:
        messages.pop()
    if not messages:
        raise UnusableDialogueError("no answer")
    if messages[0].speaker is Speaker.ASSISTANT:
        raise UnusableDialogueError("answer before the first question")
    key = thread if isinstance(thread, str) and thread else f"first message: {messages[0].text}"
    return Dialogue(hash_thread(key), system, tuple(messages), provenance)


def mask_dialogue(dialogue: Dialogue) -> tuple[Dialogue, int]:
    """Return a dialogue with its secrets masked, and the number of distinct secrets."""
    masker = SecretMasker()
    system = masker.mask_text(dialogue.system)
    messages = tuple(
        Message(speaker, masker.mask_text(text)) for speaker, text in dialogue.messages
    )
    masked = Dialogue(dialogue.thread, system, messages, dialogue.provenance, dialogue.learned_from)
    return masked, masker.count


def _check_turn(role: object, text: object) -> tuple[str, str]:
    if not isinstance(role, str) or role not in {SYSTEM_ROLE, *SPEAKERS}:
        raise UnusableDialogueError("unknown role")
    if not isinstance(text, str):
        raise UnusableDialogueError("turn without a text")
    if not text.strip() and role != SYSTEM_ROLE:
        raise UnusableDialogueError("empty turn")
    return role, replace_surrogates(text)


def _merge_turns(turns: Sequence[tuple[Speaker, str]]) -> list[Message]:
    """Return consecutive turns of one side as one message, as the worker's prompts have them."""
    return [
        Message(speaker, TURN_SEPARATOR.join(text for _, text in side))
        for speaker, side in groupby(turns, key=lambda turn: turn[0])
    ]
