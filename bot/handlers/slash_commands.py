"""Slash command `/starchat`: help, status, rules of a channel, and deletion of cached data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bot import texts
from bot.handlers.asks.asker_check import AskerCheck
from bot.handlers.asks.command import SlashCommand
from bot.handlers.rules.settings_handler import SettingsCommand, SettingsHandler
from bot.messages.admission import CHINESE_COMMANDS, read_words
from bot.messages.message import BotIdentity
from bot.rules.texts import Words
from bot.store.command_quota import CommandQuota
from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from contract import queue_eta
from contract.language import Language, Translatable

ASK_COMMAND: Final = "ask"
AskPrivately = Callable[[SlashCommand, str], Translatable]
"""Accepts a question; returns the words that its person reads."""


@dataclass(frozen=True, slots=True)
class SlashCommandHandler:
    """Runs slash commands. Methods raise `redis.exceptions.RedisError`."""

    identity: BotIdentity
    asker_check: AskerCheck
    ask_privately: AskPrivately
    queue: JobQueue
    purge: Purge
    quota: CommandQuota
    settings: SettingsHandler

    def run_slash_command(self, command: SlashCommand) -> Words | None:
        """
        Run a command and return the reply; without a known command, the help.

        `None` is no reply: a form opens.
        """
        if not command.user.isalnum() or not self.quota.take_command(command.user):
            return Words(texts.TOO_MANY_COMMANDS)
        refusal = self.asker_check.refuse_outsider(command.user, command.team)
        if refusal is not None:
            return Words(refusal)
        if not command.channel.isalnum():
            return Words(texts.HELP_TEXT)
        name, typed = [*command.text.split(maxsplit=1), "", ""][:2]
        if CHINESE_COMMANDS.get(name, name.casefold()) == ASK_COMMAND:
            return Words(self.ask_privately(command, typed))
        return self._run_command(command)

    def _run_command(self, command: SlashCommand) -> Words | None:
        form = SettingsCommand(command.channel, command.user, command.trigger_id)
        words = [CHINESE_COMMANDS.get(word, word) for word in read_words(command.text)]
        match words:
            case ["status"]:
                return Words(self.describe_status())
            case ["rules"]:
                return self.settings.rules.describe_channel(command.channel)
            case ["settings"]:
                return self.settings.open_form(form)
            case ["settings", "undo"]:
                return self.settings.undo_change(form)
            case ["forget"]:
                dropped = self.purge.drop_channel(self.identity.team, command.channel)
                return Words(texts.purge_text(dropped))
            case _:
                return Words(texts.HELP_TEXT)

    def find_language(self, command: SlashCommand) -> Language:
        """Return the language of the reply to a command."""
        return self.asker_check.lookup_language(command.user)

    def describe_status(self) -> Translatable:
        """Describe queue and workers."""
        workers, pending = self.queue.live_workers(), self.queue.queue_depth()
        return texts.status_text(pending, workers, queue_eta.estimate_wait(pending, workers))
