"""Parts of the rules of channels, built from the objects that all handlers share."""

from bot.failpoints import Failpoints
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.rules.settings_handler import SettingsHandler
from bot.messages.message import BotIdentity
from bot.settings import Settings
from bot.slack.channel_managers import ChannelManagers
from bot.slack.client import SlackWebClient


def build_settings_handler(
    settings: Settings,
    identity: BotIdentity,
    web_client: SlackWebClient,
    notices: NoticeOutbox,
) -> SettingsHandler:
    """Build the handler of the form for a channel's rules."""
    return SettingsHandler(
        identity,
        notices.languages.rules,
        notices.languages,
        ChannelManagers(web_client, settings.starchat_admins),
        notices.poster,
        notices.background,
        web_client.clock.now,
        Failpoints.parse_plan(settings.starchat_failpoint),
    )
