"""Events without a message: bot invited, channel moved, file deleted, app uninstalled."""

from dataclasses import dataclass
from typing import Final

import structlog
from redis import Redis

from bot import texts
from bot.concurrency import BackgroundTasks
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.team_purge import TeamPurge
from bot.messages.events import AppUninstalled, BotInvited, ChannelMoved, FileDeleted
from bot.slack.poster import Poster
from bot.store.purge import Purge
from contract import keys

log = structlog.get_logger()

WELCOME_QUIET_SECONDS: Final = 30 * 24 * 3600
"""Seconds within which a channel is welcomed once, however often the bot is invited."""


@dataclass(frozen=True, slots=True)
class AppEventHandler:
    """
    Welcomes channels, keeps their rules, purges deleted files and uninstalled teams.

    Methods raise `RedisError`.
    """

    redis: Redis
    poster: Poster
    purge: Purge
    team_purge: TeamPurge
    background: BackgroundTasks
    languages: ReaderLanguages

    def welcome_channel(self, invited: BotInvited) -> None:
        """Say in a channel what the bot does, at most once, in the background."""
        key = keys.welcome(invited.team, invited.channel)
        if self.redis.set(key, 1, nx=True, ex=WELCOME_QUIET_SECONDS):
            self.background.submit("welcome", self._post_welcome, invited)

    def move_channel(self, moved: ChannelMoved) -> None:
        """Keep the rules of a channel that has a new id; the database follows as soon as it can."""
        rules = self.languages.rules
        rules.cache.record_move(moved.old, moved.new)
        log.info("channel moved", channel=moved.old, new_channel=moved.new)
        if moved.old in rules.file:
            # The operator alone can change the file: until then, its rules hold for no channel.
            log.error("channels file names a former id", channel=moved.old, new_channel=moved.new)
        self.background.submit("move rules", rules.warm_cache)

    def purge_file(self, deleted: FileDeleted) -> None:
        """Delete the texts of a file."""
        dropped = self.purge.drop_file(deleted.team, deleted.file)
        log.info("file forgotten", file=deleted.file, texts=dropped)

    def purge_team(self, uninstalled: AppUninstalled) -> None:
        """Let all data of a team be deleted, soon and by any bot."""
        self.team_purge.mark_team(uninstalled.team)

    def _post_welcome(self, invited: BotInvited) -> None:
        language = self.languages.find_for_thread(invited.channel, invited.inviter)
        self.poster.post_in_channel(invited.channel, texts.WELCOME.translate(language))
