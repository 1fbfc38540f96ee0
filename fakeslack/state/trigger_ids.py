"""Short-lived handles of interactions: trigger ids and response URLs. Pure."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from fakeslack.errors import SlackError
from fakeslack.state.messages import Message

TRIGGER_LIFETIME_SECONDS = 3.0
RESPONSE_URL_LIFETIME_SECONDS = 1_800.0
MAX_RESPONSE_URL_USES = 5


@dataclass(frozen=True, slots=True)
class Trigger:
    """One action of a person, and the channel on screen; empty if it is unknown."""

    person: str
    channel: str
    issued_at: float


class TriggerIds:
    """Trigger ids: each opens one modal within three seconds."""

    def __init__(self, elapsed_seconds: Callable[[], float]) -> None:
        self._elapsed_seconds = elapsed_seconds
        self._trigger_numbers = itertools.count(1)
        self._issued: dict[str, Trigger] = {}
        self._exchanged_ids: set[str] = set()

    def issue_trigger(self, person: str, channel: str = "") -> str:
        """Return a new trigger id for an action of this person."""
        trigger_id = f"1700000000.{next(self._trigger_numbers)}.fakeslack"
        self._issued[trigger_id] = Trigger(person, channel, self._elapsed_seconds())
        return trigger_id

    def exchange_trigger(self, trigger_id: str) -> Trigger:
        """
        Use up a trigger id and return its trigger.

        Raises `exchanged_trigger_id`, `invalid_trigger_id` or `expired_trigger_id`.
        """
        if trigger_id in self._exchanged_ids:
            raise SlackError("exchanged_trigger_id")
        if trigger_id not in self._issued:
            raise SlackError("invalid_trigger_id")
        trigger = self._issued[trigger_id]
        if self._elapsed_seconds() - trigger.issued_at > TRIGGER_LIFETIME_SECONDS:
            raise SlackError("expired_trigger_id")
        self._exchanged_ids.add(trigger_id)
        return trigger


@dataclass(slots=True)
class ResponseUrl:
    """One response URL: its channel, its person, and the message of the interaction."""

    channel: str
    person: str
    message: Message | None
    issued_at: float
    num_uses: int = 0


class ResponseUrls:
    """The `response_url`s: each allows five uses within 30 minutes."""

    def __init__(self, elapsed_seconds: Callable[[], float]) -> None:
        self._elapsed_seconds = elapsed_seconds
        self._issued: dict[str, ResponseUrl] = {}

    def issue_url(self, channel: str, person: str, message: Message | None) -> str:
        """Return the id of a new response URL."""
        url_id = f"R{len(self._issued) + 1:08d}"
        self._issued[url_id] = ResponseUrl(channel, person, message, self._elapsed_seconds())
        return url_id

    def use_url(self, url_id: str) -> ResponseUrl:
        """Count one use of a response URL and return it. Raises `expired_url` or `used_url`."""
        response_url = self._issued.get(url_id)
        if (
            response_url is None
            or self._elapsed_seconds() - response_url.issued_at > RESPONSE_URL_LIFETIME_SECONDS
        ):
            raise SlackError("expired_url")
        if response_url.num_uses >= MAX_RESPONSE_URL_USES:
            raise SlackError("used_url")
        response_url.num_uses += 1
        return response_url
