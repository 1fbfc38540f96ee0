"""Parts of a bot that read and change the rules of channels, for tests in their process."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from redis import Redis
from slack_sdk import WebClient

from bot.concurrency import BackgroundTasks
from bot.failpoints import Failpoints
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.rules.rule_reader import RuleReader
from bot.handlers.rules.settings_handler import SettingsHandler
from bot.records.database import Records
from bot.records.rules import RuleStore
from bot.rules.channels_file import ChannelsFile
from bot.slack.channel_managers import ChannelManagers
from bot.slack.poster import Poster
from bot.slack.user_groups import UserGroups
from bot.slack.users import UserDirectory
from bot.store.rules_cache import RulesCache
from testing.slack_events import BOT_IDENTITY

ADMIN = "U0OPERATOR"
"""The only one of `STARCHAT_ADMINS`."""


def build_rule_reader(
    redis: Redis, web: WebClient, directory: Path, file: ChannelsFile | None = None
) -> RuleReader:
    """Return a reader with an SQLite file in a directory."""
    records = Records(f"sqlite:///{directory / 'records.db'}")
    cache = RulesCache(redis, BOT_IDENTITY.team)
    return RuleReader(BOT_IDENTITY, file or {}, UserGroups(web), cache, RuleStore(records))


def build_settings(
    rules: RuleReader,
    web: WebClient,
    background: BackgroundTasks,
    failpoints: Failpoints | None = None,
    admins: frozenset[str] = frozenset({ADMIN}),
) -> SettingsHandler:
    """Return a handler of the form, with a clock that is still."""
    managers = ChannelManagers(web, admins)
    pool = ThreadPoolExecutor(1)
    users = UserDirectory(rules.cache.redis, web, pool, pool)
    return SettingsHandler(
        BOT_IDENTITY,
        rules,
        ReaderLanguages(users, rules),
        managers,
        Poster(web),
        background,
        lambda: 1.5,
        failpoints or Failpoints(),
    )
