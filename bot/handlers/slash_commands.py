"""Slash command `/starchat`: help, queue status, and deletion of a channel's cached data."""

from dataclasses import dataclass

from bot import texts
from bot.messages.admission import read_single_word
from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from contract import queue_eta


@dataclass(frozen=True, slots=True)
class SlashCommandHandler:
    """Runs slash commands. Methods raise `redis.exceptions.RedisError`."""

    queue: JobQueue
    purge: Purge

    def run_slash_command(self, text: str, *, team: str, channel: str) -> str:
        """Run the command in `text` and return the reply; without a known command, the help."""
        match read_single_word(text):
            case "status":
                return self.describe_status()
            case "forget" if team.isalnum() and channel.isalnum():
                return texts.purge_text(self.purge.drop_channel(team, channel))
            case _:
                return texts.HELP_TEXT

    def describe_status(self) -> str:
        """Describe queue and workers."""
        workers, pending = self.queue.live_workers(), self.queue.queue_depth()
        return texts.status_text(pending, workers, queue_eta.estimate_wait(pending, workers))
