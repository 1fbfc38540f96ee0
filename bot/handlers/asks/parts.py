"""Parts of the asks, built from the objects that all handlers share."""

from bot.handlers.asks.ask_outbox import AskOutbox
from bot.handlers.asks.asker_check import AskerCheck
from bot.handlers.asks.handlers import AskHandlers
from bot.handlers.asks.private_asks import PrivateAsks
from bot.handlers.asks.shortcut import ShortcutHandler
from bot.handlers.notice_outbox import NoticeOutbox
from bot.handlers.presence.extra_calls import ExtraCalls
from bot.handlers.presence.prompts import SuggestedPrompts
from bot.handlers.questions import QuestionHandler
from bot.messages.admission import Policy
from bot.messages.message import BotIdentity
from bot.slack.client import SlackWebClient
from bot.slack.members import ChannelMembers
from bot.store.stored_answers import StoredAnswers


def build_asks(
    identity: BotIdentity,
    policy: Policy,
    web_client: SlackWebClient,
    questions: QuestionHandler,
    notices: NoticeOutbox,
) -> AskHandlers:
    """Build the handlers; the sweeper of stops posts what is due in their outbox."""
    redis, poster, background = notices.redis, notices.poster, notices.background
    users, rules = notices.languages.users, notices.languages.rules
    members = ChannelMembers(web_client)
    check = AskerCheck(identity, policy, users, rules, members, notices.thread_cache)
    outbox = AskOutbox(redis, identity, questions, users, notices)
    # The outbox needs the handler of questions, which needs that of stops.
    questions.stops.follow_up.sweeps.append(outbox.post_due)
    private = PrivateAsks(
        redis, check, outbox, StoredAnswers(redis), poster, background, web_client.clock.now
    )
    return AskHandlers(
        ShortcutHandler(check, outbox, poster, background),
        private,
        SuggestedPrompts(check, ExtraCalls(redis, identity.team), poster, background),
    )
