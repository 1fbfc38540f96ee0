"""
Notices: the bot's own answers to messages, as named sentences with numbers.

Redis holds the name and the numbers only. A person with access to Redis cannot make the bot post
text or markup.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from bot import texts
from bot.asked_before.texts import QUESTION_WITHDRAWN
from bot.current_code import texts as code_texts
from bot.messages.admission import Verdict
from bot.messages.asks import texts as ask_texts
from bot.messages.research_texts import RESEARCH_TOLD
from bot.messages.secret_texts import describe_masking
from contract.language import PluralPhrase, Translatable
from contract.masking import SecretKind
from contract.texts import QUESTION_TOO_LONG, join_sentences

MAX_NUMBER: Final = 1_000_000
"""Largest number in a notice; a larger one in Redis was not written by the bot."""


READER_PATTERN: Final = r"[A-Za-z0-9]{0,64}"


class Sentence(StrEnum):
    """Name of a sentence. The first ones are those of the verdicts that need an answer."""

    EMPTY = Verdict.EMPTY.value
    HELP = Verdict.HELP.value
    FOLLOW = Verdict.FOLLOW.value
    MUTE = Verdict.MUTE.value
    FORGET = Verdict.FORGET.value
    STOP = Verdict.STOP.value
    RULES = Verdict.RULES.value
    OUTSIDER = Verdict.OUTSIDER.value
    UNVERIFIED = Verdict.UNVERIFIED.value
    NOT_ALLOWED = Verdict.NOT_ALLOWED.value
    CHANNEL_CLOSED = Verdict.CHANNEL_CLOSED.value
    GROUP_UNREADABLE = Verdict.GROUP_UNREADABLE.value
    RULES_UNREADABLE = Verdict.RULES_UNREADABLE.value
    TOO_LONG = "too_long"
    QUEUE_FULL = "queue_full"
    USER_QUOTA = "user_quota"
    USER_BUDGET = "user_budget_exceeded"
    CHANNEL_BUDGET = "channel_budget_exceeded"
    STILL_ANSWERING = "still_answering"
    QUESTION_NOT_FOUND = "question_not_found"
    QUESTION_NOT_READ = "question_not_read"
    FORM_EXPIRED = "form_expired"
    ANSWER_NOT_KEPT = "answer_not_kept"
    TOO_MANY_COMMANDS = "too_many_commands"
    STOP_REFUSED = "stop_refused"
    STOP_ENDED = "stop_ended"
    STOP_GONE = "stop_gone"
    DELETE_REFUSED = "delete_refused"
    CONTROL_REFUSED = "control_refused"
    CONTROL_UNREADABLE = "control_unreadable"
    REPLY_CHANGED = "reply_changed"
    REPLY_NOT_KEPT = "reply_not_kept"
    REPLY_DELETED = "reply_deleted"
    PREVIOUS_NOT_KEPT = "previous_not_kept"
    OTHERS_NOT_KEPT = "others_not_kept"
    REPLY_NOT_CUT = "reply_not_cut"
    LATER_TURN = "later_turn"
    CODE_RUNNING = "code_running"
    CODE_MISSING = "code_missing"
    CODE_UNREADABLE = "code_unreadable"
    CODE_NOT_ALLOWED = "code_not_allowed"
    CODE_NOT_SHARED = "code_not_shared"
    VOTE_DELAYED = "vote_delayed"
    VOTE_GONE = "vote_gone"
    VOTE_REFUSED = "vote_refused"
    VOTE_WITHDRAWN = "vote_withdrawn"
    QUESTION_WITHDRAWN = "question_withdrawn"
    MASKED = "masked"
    ASKED_MASKED = "asked_masked"
    RESEARCH = "research"


FIXED_TEXTS: Final[Mapping[Sentence, Translatable]] = {
    **{Sentence(verdict.value): text for verdict, text in texts.COMMAND_REPLIES.items()},
    Sentence.TOO_LONG: QUESTION_TOO_LONG,
    Sentence.STILL_ANSWERING: texts.STILL_ANSWERING,
    Sentence.QUESTION_NOT_FOUND: texts.QUESTION_NOT_FOUND,
    Sentence.QUESTION_NOT_READ: texts.QUESTION_NOT_READ,
    Sentence.ANSWER_NOT_KEPT: ask_texts.ANSWER_NOT_KEPT,
    Sentence.FORM_EXPIRED: ask_texts.FORM_EXPIRED,
    Sentence.TOO_MANY_COMMANDS: texts.TOO_MANY_COMMANDS,
    Sentence.STOP_REFUSED: texts.STOP_REFUSED,
    Sentence.STOP_ENDED: texts.STOP_ENDED,
    Sentence.STOP_GONE: texts.STOP_GONE,
    Sentence.DELETE_REFUSED: texts.DELETE_REFUSED,
    Sentence.CONTROL_REFUSED: texts.CONTROL_REFUSED,
    Sentence.CONTROL_UNREADABLE: texts.CONTROL_UNREADABLE,
    Sentence.REPLY_CHANGED: texts.REPLY_CHANGED,
    Sentence.REPLY_NOT_KEPT: texts.REPLY_NOT_KEPT,
    Sentence.REPLY_DELETED: texts.REPLY_DELETED,
    Sentence.PREVIOUS_NOT_KEPT: texts.PREVIOUS_NOT_KEPT,
    Sentence.OTHERS_NOT_KEPT: texts.OTHERS_NOT_KEPT,
    Sentence.REPLY_NOT_CUT: texts.REPLY_NOT_CUT,
    Sentence.LATER_TURN: texts.LATER_TURN,
    Sentence.CODE_RUNNING: code_texts.CODE_RUNNING,
    Sentence.CODE_MISSING: code_texts.CODE_MISSING,
    Sentence.CODE_UNREADABLE: code_texts.CODE_UNREADABLE,
    Sentence.CODE_NOT_ALLOWED: code_texts.CODE_NOT_ALLOWED,
    Sentence.CODE_NOT_SHARED: code_texts.CODE_NOT_SHARED,
    Sentence.VOTE_DELAYED: texts.VOTE_DELAYED,
    Sentence.VOTE_GONE: texts.VOTE_GONE,
    Sentence.VOTE_REFUSED: texts.VOTE_REFUSED,
    Sentence.VOTE_WITHDRAWN: texts.VOTE_WITHDRAWN,
    Sentence.QUESTION_WITHDRAWN: QUESTION_WITHDRAWN,
    Sentence.RESEARCH: RESEARCH_TOLD,
}
"""Sentences without numbers."""
THREAD_SENTENCES: Final = frozenset({Sentence.FOLLOW, Sentence.MUTE, Sentence.FORGET})
"""Sentences that concern everyone in a thread."""
PUBLIC_SENTENCES: Final = THREAD_SENTENCES | {
    Sentence.EMPTY,
    Sentence.HELP,
    Sentence.QUESTION_NOT_READ,
}
"""Sentences that everyone may read; the others are shown to one person alone."""
READER_SENTENCES: Final = frozenset({Sentence.MASKED, Sentence.ASKED_MASKED, Sentence.RESEARCH})
"""Sentences beside a reply, for the author of its question alone."""
REFUSALS: Final = frozenset(
    {
        Sentence.OUTSIDER,
        Sentence.UNVERIFIED,
        Sentence.NOT_ALLOWED,
        Sentence.CHANNEL_CLOSED,
        Sentence.GROUP_UNREADABLE,
        Sentence.RULES_UNREADABLE,
        Sentence.TOO_LONG,
        Sentence.QUEUE_FULL,
        Sentence.USER_QUOTA,
        Sentence.USER_BUDGET,
        Sentence.CHANNEL_BUDGET,
    }
)
"""Sentences that say why a question was not taken; they are counted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """
    A sentence with its numbers.

    `waiting` counts the person's questions, `seconds` is the expected wait, `None` if unknown.
    `day` is the day of a budget, counted from 1970. `reader` is the user whose language counts
    where a thread reads the notice. `masked` are kinds of secrets.
    """

    sentence: Sentence
    waiting: int = 0
    seconds: int | None = None
    day: int = 0
    reader: str = ""
    masked: tuple[SecretKind, ...] = ()

    def to_json(self) -> str:
        """Serialize the notice as JSON text."""
        masked = [self.masked] if self.masked else []
        return json.dumps(
            [self.sentence, self.waiting, self.seconds, self.day, self.reader, *masked]
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse what `to_json` returned. Raises `ValueError`, which quotes nothing."""
        try:
            # Earlier versions wrote no day and no reader.
            found: list[Any] = list(json.loads(text))
            later: list[Any] = [0, "", []]
            name, waiting, seconds, day, reader, kinds = found + later[len(found) - 3 :]
            sentence = Sentence(name)
            masked = tuple(map(SecretKind, kinds))
        except (ValueError, TypeError, RecursionError):
            raise ValueError("not a notice") from None
        for number in (waiting, 0 if seconds is None else seconds, day):
            if type(number) is not int or not 0 <= number <= MAX_NUMBER:
                raise ValueError("not a number of a notice")
        if not isinstance(reader, str) or not re.fullmatch(READER_PATTERN, reader):
            raise ValueError("not a reader of a notice")
        return cls(sentence, waiting, seconds, day, reader, masked)

    def describe(self, refused: int = 1, *, is_more: bool = False) -> Translatable:
        """
        Return the sentences; `refused` counts the questions that were not taken.

        `is_more` is whether an earlier notice has told of others.
        """
        sentence = self._find_sentence()
        if refused < 1 or (refused == 1 and not is_more):
            return sentence
        return join_sentences(_describe_count(refused, is_more=is_more), sentence)

    def _find_sentence(self) -> Translatable:
        match self.sentence:
            case Sentence.QUEUE_FULL:
                return texts.queue_full(self.seconds)
            case Sentence.USER_QUOTA:
                return texts.user_quota_exceeded(self.waiting, self.seconds)
            case Sentence.USER_BUDGET:
                return texts.user_budget_exceeded(self.day)
            case Sentence.CHANNEL_BUDGET:
                return texts.channel_budget_exceeded(self.day)
            case Sentence.MASKED | Sentence.ASKED_MASKED:
                return describe_masking(
                    self.masked, is_asked=self.sentence is Sentence.ASKED_MASKED
                )
            case _:
                return FIXED_TEXTS[self.sentence]


def round_seconds(seconds: float | None) -> int | None:
    """Return an expected wait as a whole number of seconds for a notice."""
    return None if seconds is None else min(MAX_NUMBER, round(max(0.0, seconds)))


def _describe_count(refused: int, *, is_more: bool) -> Translatable:
    if is_more:
        return PluralPhrase(
            "{count} more question was not taken.",
            "{count} more questions were not taken.",
            refused,
        )
    return PluralPhrase(
        "{count} question was not taken.", "{count} questions were not taken.", refused
    )
