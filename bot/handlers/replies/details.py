"""Details of a reply: shown to the person who asked, from what the reply's own message carries."""

from dataclasses import dataclass

import structlog

from bot.concurrency import BackgroundTasks
from bot.handlers.job_builder import Source
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.rule_reader import RuleReader
from bot.messages.block_actions import DetailsRequested
from bot.messages.detail_lines import TITLE, build_detail_blocks
from bot.notices import Notice, Sentence
from bot.rules.versions import RulesUnreadableError
from bot.slack.poster import Poster

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DetailsHandler:
    """Shows details. Nothing is stored: a press that a bot's death loses can be repeated."""

    poster: Poster
    notices: NoticeOutbox
    background: BackgroundTasks
    rules: RuleReader

    def show_details(self, request: DetailsRequested) -> None:
        """Show the details to the person who pressed the button. Raises `RedisError`."""
        thread = request.thread
        is_direct = thread.channel.startswith("D")
        if not is_direct and request.user != request.address.asker:
            self.notices.tell_user(thread, request.user, Notice(Sentence.CONTROL_REFUSED))
            return
        log.info("details requested", channel=thread.channel, ts=request.address.ts)
        self.background.submit("details", self._post_details, request)

    def _post_details(self, request: DetailsRequested) -> None:
        language = self.notices.languages.find_personal(request.user)
        self.poster.post_ephemeral(
            request.thread.channel,
            request.user,
            TITLE.translate(language),
            thread_ts=request.thread.ts,
            blocks=build_detail_blocks(
                request.address,
                request.details,
                language,
                can_withdraw=self._can_withdraw(request),
            ),
            retry=False,
        )

    def _can_withdraw(self, request: DetailsRequested) -> bool:
        """Return whether others may be linked to the reply: it answers a thread's first message."""
        # A direct message is left out too: its channel has no rules.
        if request.address.ts != request.address.thread_ts:
            return False
        try:
            return self.rules.read_rules(request.thread.channel, Source.LAST_TRY).asked_before
        except RulesUnreadableError:
            return False
