"""Languages of readers: of one person, and of a thread."""

import contextlib
from dataclasses import dataclass

from bot.handlers.job_builder import Source
from bot.handlers.rules.rule_reader import RuleReader
from bot.rules.versions import RulesUnreadableError
from bot.slack.users import UserDirectory
from contract.language import Language


@dataclass(frozen=True, slots=True)
class ReaderLanguages:
    """Finds languages for the bot's own sentences. Methods raise `RedisError`."""

    users: UserDirectory
    rules: RuleReader

    def find_personal(self, user: str) -> Language:
        """Return the language of what one person alone reads: that person's, in Slack."""
        return self.users.lookup_language(self.rules.identity.team, user)

    def find_for_thread(self, channel: str, user: str) -> Language:
        """
        Return the language of what a thread reads, if `user` has asked there.

        It is the one that the channel's rules choose, or else the user's.
        """
        return self.find_for_channel(channel) or self.find_personal(user)

    def find_for_channel(self, channel: str) -> Language | None:
        """Return the language that a channel's rules choose; `None` if they choose none."""
        if not channel.startswith("D"):
            with contextlib.suppress(RulesUnreadableError):
                return self.rules.read_rules(channel, Source.LAST_TRY).language
        return None

    def ask_slack(self, user: str) -> Language:
        """Return the language of a user by a call of Slack alone, while Redis does not answer."""
        return self.users.fetch_language(user)
