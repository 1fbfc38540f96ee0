"""Home facts: what the Home tab shows to one person, gathered from Redis."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from redis import Redis

from bot import texts
from bot.home.view import (
    MAX_SHOWN_QUESTIONS,
    AdminFacts,
    AskedQuestion,
    MemberFacts,
    PersonalUse,
    build_link,
)
from bot.messages.admission import Policy, refuse_guest
from bot.messages.message import BotIdentity
from bot.messages.votes.model_votes import ModelVotes
from bot.records.database import Records, RecordsUnavailableError
from bot.records.model_votes import count_by_model
from bot.settings import Settings
from bot.slack.users import User
from bot.store.asked_questions import AskedQuestions
from bot.store.job_queue import JobQueue
from bot.store.language_choices import LanguageChoices
from bot.store.rules_cache import RulesCache
from bot.store.usage_sums import UsageSums
from contract import keys, queue_eta
from contract.language import Language, Translatable
from contract.usage import SECONDS_PER_DAY

SHOWN_SETTINGS = (
    "starchat_streaming",
    "starchat_on_edit",
    "starchat_max_pending",
    "starchat_max_pending_per_user",
    "starchat_max_running_per_user",
    "starchat_daily_gpu_seconds_per_user",
    "starchat_daily_gpu_seconds_per_channel",
    "starchat_guests",
    "starchat_external_users",
    "starchat_votes_with_text",
    "starchat_votes_retention_days",
)
"""Settings that administrators see. None of them is a secret, an id or a path."""

VOTE_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """Gathers facts. Methods raise `RedisError`."""

    redis: Redis
    identity: BotIdentity
    settings: Settings
    policy: Policy
    queue: JobQueue
    records: Records

    def gather_facts(self, user: str, profile: User) -> MemberFacts | Translatable:
        """Return what a user sees, or why that is nothing: a guest who may not ask."""
        refusal = self._refuse_user(profile)
        if refusal is not None:
            return refusal
        team, sums = self.identity.team, UsageSums(self.redis)
        today = sums.count_days()
        own = keys.user_usage(team, user)
        workers, pending = self.queue.live_workers(), self.queue.queue_depth()
        is_admin = user in self.settings.starchat_admins
        budget = 0 if is_admin else self.settings.starchat_daily_gpu_seconds_per_user
        use = PersonalUse(
            week=sums.read_week(own, today),
            today=sums.read_day(own, today),
            day=today,
            budget_seconds=budget,
            open_questions=self._count_open(user),
        )
        admin = AdminFacts(
            sums.read_day(keys.team_usage(team), today),
            pending,
            workers,
            self._list_settings(),
            RulesCache(self.redis, team).find_comparison_time(),
            self._count_votes() if is_admin else (),
        )
        return MemberFacts(
            status=texts.status_text(pending, workers, queue_eta.estimate_wait(pending, workers)),
            use=use,
            team_week=sums.read_week(keys.team_usage(team), today),
            questions=self._list_questions(user),
            choice=self._find_choice(user),
            admin=admin if is_admin else None,
        )

    def _refuse_user(self, profile: User) -> Translatable | None:
        # Slack does not show the bot a person of another workspace.
        is_outsider = profile.is_guest and not profile.is_resolved
        if is_outsider and not self.policy.allow_external:
            return texts.MEMBERS_ONLY
        if self.policy.allow_guests:
            return None
        verdict = refuse_guest(is_guest=profile.is_guest, is_resolved=profile.is_resolved)
        return None if verdict is None else texts.COMMAND_REPLIES[verdict]

    def _count_open(self, user: str) -> int:
        return int(self.redis.scard(f"{keys.user_quota(self.identity.team, user)}:pending"))

    def _list_questions(self, user: str) -> Sequence[AskedQuestion]:
        # One more than is shown: the page says whether there are more.
        found = AskedQuestions(self.redis, self.identity.team).list_recent(
            user, MAX_SHOWN_QUESTIONS + 1
        )
        url = self.identity.url
        return [AskedQuestion(thread, ts, build_link(url, thread, ts)) for thread, ts in found]

    def _find_choice(self, user: str) -> Language | None:
        return LanguageChoices(self.redis).find_choices(self.identity.team, [user]).get(user)

    def _count_votes(self) -> Sequence[ModelVotes]:
        """Return the last week's votes by model; a database that is away costs these lines."""
        since_ts = f"{time.time() - VOTE_DAYS * SECONDS_PER_DAY:.6f}"
        try:
            return self.records.read(
                partial(count_by_model, team=self.identity.team, since_ts=since_ts)
            )
        except RecordsUnavailableError:
            return ()

    def _list_settings(self) -> list[tuple[str, str]]:
        values = ((name, getattr(self.settings, name)) for name in SHOWN_SETTINGS)
        return [(name.upper(), str(value)) for name, value in values]
