"""Builds the handler of requests for current code from its parts."""

from bot.concurrency import BackgroundTasks
from bot.handlers.current_code.code_reader import CodeReader
from bot.handlers.current_code.delivery import CodeDelivery
from bot.handlers.current_code.requests import CodeRequests
from bot.handlers.notice_outbox import NoticeOutbox
from bot.messages.message import BotIdentity
from bot.slack.client import SlackWebClient
from bot.slack.file_sharer import FileSharer
from bot.slack.users import UserDirectory
from bot.store.code_runs import CodeRuns
from bot.store.command_quota import CommandQuota
from bot.store.file_texts import FileTexts
from bot.store.stored_answers import StoredAnswers


def build_code_requests(
    identity: BotIdentity,
    web_client: SlackWebClient,
    users: UserDirectory,
    notices: NoticeOutbox,
    background: BackgroundTasks,
) -> CodeRequests:
    """Build the handler for one team."""
    redis = notices.redis
    reader = CodeReader(
        identity, notices.thread_cache, StoredAnswers(redis), FileTexts(redis), users
    )
    runs = CodeRuns(redis, identity.team)
    delivery = CodeDelivery(runs, reader, FileSharer(web_client), notices)
    return CodeRequests(delivery, background, CommandQuota(redis, identity.team).take_command)
