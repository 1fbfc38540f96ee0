"""Parts of the Home tab, built from the objects that all handlers share."""

from redis import Redis

from bot.handlers.home.home_facts import HomeFacts
from bot.handlers.home.home_handler import HomeHandler, start_home_tasks
from bot.handlers.slash_commands import SlashCommandHandler
from bot.records.database import Records
from bot.settings import Settings
from bot.slack.poster import Poster


def build_home(
    settings: Settings,
    redis: Redis,
    commands: SlashCommandHandler,
    poster: Poster,
    records: Records,
) -> HomeHandler:
    """Build the handler, with threads that no other task uses."""
    check = commands.asker_check
    facts = HomeFacts(redis, check.identity, settings, check.policy, commands.queue, records)
    return HomeHandler(redis, facts, check.users, poster, start_home_tasks())
