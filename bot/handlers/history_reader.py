"""
History reader: messages of channels for a backfill, and which channels Slack fails to read.

A channel that Slack keeps answering with an error is left for later. Slack itself may fail, too:
then no channel can be read, and the whole backfill has to wait.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from slack_sdk import WebClient

from bot.handlers.outage import Channel, Outage
from bot.slack.client import CALL_ERRORS, AppRefusedError, error_name
from bot.slack.paging import PacedReader
from contract.slack_errors import UNREADABLE_ERRORS

log = structlog.get_logger()

MAX_FAILED_CHANNELS: Final = 10
"""Channels of one outage that may fail. With more of them, it is Slack that fails."""
MAX_FAILED_READS: Final = 3
"""Failed reads after which no other thread of a channel is read."""


@dataclass(slots=True)
class HistoryReader:
    """Reader of one outage at a time. Methods raise `CALL_ERRORS` if Slack fails as a whole."""

    web_client: WebClient
    reader: PacedReader
    _failures: Counter[Channel] = field(init=False, default_factory=Counter)
    _readable: Channel | None = field(init=False, default=None)

    def start_outage(self) -> None:
        """Forget the failures of another outage."""
        self._failures.clear()
        self._readable = None

    def list_failed_channels(self) -> list[Channel]:
        """Return the channels with reads that failed, and that may succeed later."""
        return list(self._failures)

    def read_roots(self, channel: Channel, oldest: str) -> list[dict[str, Any]] | None:
        """Return the messages of a channel; `None` if the bot can't read it now."""
        return self._read_messages(self.web_client.conversations_history, channel, oldest=oldest)

    def read_thread(self, channel: Channel, ts: str, outage: Outage) -> list[dict[str, Any]]:
        """Return the messages of a thread in an outage; none if the bot can't read it now."""
        method, arguments = self.web_client.conversations_replies, build_arguments(outage)
        return self._read_messages(method, channel, ts=ts, **arguments) or []

    def confirm_history(self, outage: Outage) -> None:
        """Read a channel again after failures: Slack may have failed in the middle."""
        channel = self._readable or next(iter(self._failures))
        method, oldest = self.web_client.conversations_history, f"{outage.until:.6f}"
        pages = self.reader.read_pages(method, "messages", channel=channel.id, oldest=oldest)
        next(pages, None)

    def _read_messages(
        self, method: Callable[..., Any], channel: Channel, **arguments: Any
    ) -> list[dict[str, Any]] | None:
        if self._failures[channel] >= MAX_FAILED_READS:
            return None
        try:
            read = list(self.reader.read_pages(method, "messages", channel=channel.id, **arguments))
        except AppRefusedError:
            raise
        except CALL_ERRORS as error:
            if error_name(error) in UNREADABLE_ERRORS:
                log.info("channel not readable", channel=channel.id, why=error_name(error))
                return None
            self._failures[channel] += 1
            if len(self._failures) > MAX_FAILED_CHANNELS:
                raise
            log.warning("channel postponed", channel=channel.id, why=error_name(error))
            return None
        self._readable = channel
        return read


def build_arguments(outage: Outage) -> dict[str, Any]:
    """Return the arguments of a read of a thread in an outage."""
    return {"oldest": f"{outage.since:.6f}", "include_all_metadata": True}
