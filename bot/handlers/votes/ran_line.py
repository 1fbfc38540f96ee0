"""
The line *ran for*: below a reply, the people for whom its code ran.

The database says who they are, and each edit is rebuilt from it. One bot edits a reply at a time. A
vote that comes during an edit leads to another one, so that no vote is missing in the end.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from bot import texts
from bot.failpoints import Failpoint, Failpoints
from bot.handlers.personal_notices import retry_delay
from bot.handlers.rules.reader_languages import ReaderLanguages
from bot.handlers.votes.reply_source import ReplySource
from bot.records.database import Records, RecordsUnavailableError
from bot.records.votes import ReplyKey, count_ran
from bot.slack.client import CALL_ERRORS, error_name, is_refusal
from bot.slack.poster import Poster
from bot.slack.users import UserDirectory
from bot.store.client import retry_redis
from bot.store.vote_outbox import DueLine, VoteOutbox
from contract.reply_controls import CONTROL_BLOCKS

log = structlog.get_logger()

LINE_BLOCK_ID: Final = "ran_line"
"""`block_id` of the line, by which a later edit finds it."""
RETRY_SECONDS: Final = 30.0
Blocks = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RanLine:
    """Editor of the lines of one team. Raises `RedisError`."""

    outbox: VoteOutbox
    records: Records
    source: ReplySource
    users: UserDirectory
    poster: Poster
    languages: ReaderLanguages
    failpoints: Failpoints = field(default_factory=Failpoints)

    def edit_due(self) -> None:
        """Edit the lines that are due."""
        for line in self.outbox.lease_due_lines():
            delay = self._try_to_edit(line)
            retry_redis(partial(self.outbox.finish_line, line, delay))

    def _try_to_edit(self, line: DueLine) -> float | None:
        """Edit a line; return the seconds until another attempt, `None` if none is due."""
        try:
            self._edit_line(line)
        except RecordsUnavailableError:
            return RETRY_SECONDS
        except CALL_ERRORS as error:
            log.warning("ran line not edited", channel=line.channel, why=error_name(error))
            delay = retry_delay(error)
            return None if delay is None and is_refusal(error) else delay or RETRY_SECONDS
        return None

    def _edit_line(self, line: DueLine) -> None:
        team = self.outbox.team
        key = ReplyKey(team, line.channel, line.message_ts, line.version)
        count, first = self.records.read(partial(count_ran, key=key))
        found = self.source.find_reply(line.channel, "", line.message_ts)
        if found is None or found.details.reply_id != line.version:
            # The reply is deleted, or its message shows another version.
            return
        user = self.users.lookup_users(team, [first]).get(first) if first else None
        name = user.name if user is not None and user.is_resolved else ""
        language = self.languages.find_for_thread(line.channel, found.asker)
        text = texts.describe_ran(name, count).translate(language) if count else ""
        before: Blocks = found.raw["blocks"]
        after = place_line(before, text)
        if after != before:
            self.poster.replace_blocks(line.channel, found.raw, after)
            self.failpoints.hit(Failpoint.AFTER_RAN_LINE)
            log.info("ran line edited", channel=line.channel, ts=line.message_ts, people=count)


def place_line(blocks: Blocks, text: str) -> Blocks:
    """Return a reply's blocks with the line above its controls; without it if `text` is empty."""
    others = [block for block in blocks if block.get("block_id") != LINE_BLOCK_ID]
    if not text:
        return others
    # Plain text: a name is no markup.
    element = {"type": "plain_text", "text": text, "emoji": False}
    line = {"type": "context", "block_id": LINE_BLOCK_ID, "elements": [element]}
    end = next(
        (at for at, block in enumerate(others) if block.get("type") in CONTROL_BLOCKS), len(others)
    )
    return [*others[:end], line, *others[end:]]
