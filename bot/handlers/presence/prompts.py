"""
Suggested prompts: pinned above the direct message with the app, in the person's language.

The manifest's prompts are there before. In a direct message no channel's rules apply: a person who
may ask gets prompts, and a guest or an external one who may not gets none.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from bot.concurrency import BackgroundTasks
from bot.handlers.asks.asker_check import AskerCheck
from bot.handlers.presence.extra_calls import ExtraCalls, ExtraKind
from bot.handlers.presence.texts import HELP_PROMPT, PROMPTS, PROMPTS_TITLE
from bot.messages.events import MessagesTabOpened
from bot.slack.poster import Poster
from contract import keys
from contract.language import Language

log = structlog.get_logger()

PROMPTS_QUIET_SECONDS: Final = 24 * keys.SECONDS_PER_HOUR
"""Seconds within which a person's prompts are set once, unless the language changes."""


@dataclass(frozen=True, slots=True)
class SuggestedPrompts:
    """Sets the prompts of people who open their direct message with the app."""

    asker_check: AskerCheck
    calls: ExtraCalls
    poster: Poster
    background: BackgroundTasks

    def suggest_prompts(self, opened: MessagesTabOpened) -> None:
        """Set the prompts of a direct message in the background."""
        self.background.submit("prompts", self._suggest_prompts, opened)

    def _suggest_prompts(self, opened: MessagesTabOpened) -> None:
        check, team = self.asker_check, self.asker_check.identity.team
        if self.calls.is_left_out(ExtraKind.PROMPTS):
            return
        if check.refuse_outsider(opened.user, opened.team) is not None:
            return
        language = check.lookup_language(opened.user)
        key = keys.prompts_shown(team, opened.user)
        before = self.calls.redis.set(key, language.value, ex=PROMPTS_QUIET_SECONDS, get=True)
        if before is not None and before == language.value.encode():
            return
        prompts = build_prompts(language)
        heading = PROMPTS_TITLE.translate(language)
        is_shown = self.calls.try_call(
            ExtraKind.PROMPTS,
            lambda: self.poster.suggest_prompts(opened.channel, heading, prompts),
        )
        if not is_shown:
            self.calls.redis.delete(key)


def build_prompts(language: Language) -> list[dict[str, str]]:
    """Return the prompts in a language, as Slack takes them."""
    prompts = [
        {"title": title.translate(language), "message": message.translate(language)}
        for title, message in PROMPTS
    ]
    title, command = HELP_PROMPT
    return [*prompts, {"title": title.translate(language), "message": command}]
