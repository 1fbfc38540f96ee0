"""Findings of word list and classifier on the wording of a reply, and sentences about them."""

from dataclasses import dataclass
from typing import Final

from contract.language import JoinedPhrases, Language, Phrase, Translatable
from contract.texts import LIST_COMMA
from worker.render.model import Message
from worker.render.sanitize import escape_fallback
from worker.render.texts import context_blocks


@dataclass(frozen=True, slots=True)
class FalseRate:
    """How many of the shipped innocent texts a check flags."""

    flagged: int
    total: int


@dataclass(frozen=True, slots=True)
class Wording:
    """
    Findings on a reply; `None` is a check that is off, for the classifier also one without answer.

    `is_unanswered` is whether the classifier is on and gave no answer. The rates are `None` until
    they are measured.
    """

    in_list: bool | None = None
    is_flagged: bool | None = None
    is_unanswered: bool = False
    list_rate: FalseRate | None = None
    classifier_rate: FalseRate | None = None

    @property
    def has_hit(self) -> bool:
        """Whether a check says that a reader may not want to see the reply."""
        return bool(self.in_list or self.is_flagged)

    def describe_checks(self) -> Translatable | str:
        """Return what was checked of the wording; empty if the checks are off."""
        if self.is_unanswered and self.in_list is None:
            return Phrase("Its wording was not checked.")
        if self.is_unanswered:
            return Phrase("Its wording was compared with a list; the classifier gave no answer.")
        if self.in_list is not None and self.is_flagged is not None:
            return Phrase("Its wording was compared with a list and classified.")
        if self.in_list is not None:
            return Phrase("Its wording was compared with a list.")
        return "" if self.is_flagged is None else Phrase("Its wording was classified.")

    def describe_hit(self) -> Translatable:
        """Return why the reply is covered, with the rate of false alarms."""
        reasons: list[Translatable] = []
        if self.in_list:
            reasons.append(
                Phrase("this workspace's word list ({rate})", rate=_name(self.list_rate))
            )
        if self.is_flagged:
            rate = _name(self.classifier_rate)
            reasons.append(Phrase("this workspace's classifier ({rate})", rate=rate))
        return Phrase("Flagged by {reasons}.", reasons=JoinedPhrases(reasons, LIST_COMMA))

    def describe_request(self) -> Translatable | str:
        """Return why a reply that is shown was covered; empty without a reason."""
        if not self.has_hit:
            return ""
        return Phrase("Shown at the request of who asked. {why}", why=self.describe_hit())


NOT_CHECKED: Final = Wording()
"""Findings where both checks are off."""


def compose_cover(wording: Wording, language: Language) -> Message:
    """Return the message in place of a reply: one line, whose button shows the reply."""
    line = Phrase(
        "This reply is covered. {why} The person who asked can show it here within a day.",
        why=wording.describe_hit(),
    ).translate(language)
    return Message(escape_fallback(line), context_blocks(line))


def _name(rate: FalseRate | None) -> Translatable:
    if rate is None:
        return Phrase("false alarms not measured")
    return Phrase(
        "it flags {flagged} of {total} innocent texts", flagged=rate.flagged, total=rate.total
    )
