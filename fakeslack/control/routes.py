"""Control for tests: what went over the wire, and how it is to go wrong."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass

from aiohttp import web

from fakeslack.clock import Clock
from fakeslack.delivery.dispatcher import Subscription
from fakeslack.delivery.faults import Faults
from fakeslack.delivery.http_mode import RequestUrl
from fakeslack.delivery.journal import Journal
from fakeslack.delivery.socket_mode import Sockets
from fakeslack.delivery.transport import Delivery
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import asked
from fakeslack.state.change_log import Feed
from fakeslack.state.changes import Change
from fakeslack.state.limits import Limits
from fakeslack.state.messages import Message
from fakeslack.state.mrkdwn import pings, unfurls
from fakeslack.state.pulse import Pulse
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.server import WebApi

LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Control:
    """Everything a test may look at and turn."""

    workspace: Workspace
    clock: Clock
    journal: Journal
    feed: Feed
    pulse: Pulse
    sockets: Sockets
    delivery: Delivery
    subscription: Subscription
    faults: Faults
    web_api: WebApi

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.get("/_control/calls", self._calls),
            web.get("/_control/events", self._events),
            web.get("/_control/changes", self._changes),
            web.get("/_control/wait", self._wait),
            web.get("/_control/pulse", self._beat),
            web.post("/_control/redeliver", self._redeliver),
            web.post("/_control/clock", self._clock),
            web.post("/_control/sockets", self._sockets),
            web.post("/_control/faults", self._faults),
            web.post("/_control/limits", self._limits),
            web.post("/_control/event", self._event),
            web.post("/_control/request_url", self._request_url),
        ]

    async def _calls(self, request: web.Request) -> web.Response:
        since = _number(request, "since")
        body = {"calls": self.journal.calls(since), "next": self.journal.next_call}
        return web.json_response(body)

    async def _events(self, _request: web.Request) -> web.Response:
        envelopes = [asdict(envelope) for envelope in self.journal.envelopes]
        return web.json_response({"events": envelopes, "first": self.journal.first_envelope})

    async def _changes(self, request: web.Request) -> web.Response:
        since = _number(request, "since")
        told = [
            _told(number, change, change.message)
            for number, change in self.feed.since(since)
            if change.message is not None and change.only_for is None
        ]
        body = {"changes": told, "first": self.feed.first, "next": self.feed.next}
        return web.json_response(body)

    async def _wait(self, request: web.Request) -> web.Response:
        number = _number(request, "since")
        try:
            await asyncio.wait_for(self.feed.beyond(number), _within(request))
        except TimeoutError:
            return web.json_response({"ok": True, "next": self.feed.next, "happened": False})
        return web.json_response({"ok": True, "next": self.feed.next, "happened": True})

    async def _beat(self, request: web.Request) -> web.Response:
        number = _number(request, "since")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.pulse.beyond(number), _within(request))
        return web.json_response({"ok": True, "next": self.pulse.beats})

    async def _redeliver(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        sent = self.subscription.redeliver(str(wish.get("ts", "")), wish.get("event_type"))
        if not sent:
            raise SlackError("message_not_found")
        return web.json_response({"ok": True, "sent": sent})

    async def _clock(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        speed = wish.get("speed")
        self.clock.change(speed=speed, advance=float(wish.get("advance", 0)))
        self.clock.ahead = float(wish.get("ahead", self.clock.ahead))
        self.delivery.ack = float(wish.get("ack_seconds", self.delivery.ack))
        return web.json_response({"ok": True, "now": self.clock.now()})

    async def _sockets(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        match wish.get("action"):
            case "drop":
                count = self.sockets.drop()
            case "warning":
                count = await self.sockets.warn()
            case "refresh_requested" | "link_disabled" | "too_many_websockets" as reason:
                count = await self.sockets.disconnect(reason)
            case "enable":
                self.sockets.enabled, self.sockets.mute, count = True, False, 0
            case "mute":
                self.sockets.mute, count = True, 0
            case "stale_tickets":
                self.sockets.stale_tickets, count = int(wish.get("count", 1)), 0
            case "say":
                count = await self.sockets.say(str(wish.get("frame", "")))
            case _:
                raise SlackError("invalid_arguments")
        return web.json_response({"ok": True, "sockets": count})

    async def _faults(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        rules, deliveries = wish.get("rules", []), wish.get("deliveries", {})
        if not isinstance(rules, list) or not isinstance(deliveries, dict):
            raise SlackError("invalid_arguments")
        before = [asdict(rule) for rule in self.faults.rules]
        self.faults.replace(rules, deliveries, int(wish.get("seed", 0)))
        return web.json_response({"ok": True, "before": before})

    async def _limits(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        self.web_api.limits = Limits(self.clock.now) if wish.get("on", True) else None
        return web.json_response({"ok": True})

    async def _event(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        event = wish.get("event")
        if not isinstance(event, dict):
            raise SlackError("invalid_arguments")
        event_id = self.subscription.tell({"event_ts": self.workspace.next_ts(), **event})
        return web.json_response({"ok": True, "event_id": event_id})

    async def _request_url(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        secret = self.workspace.app.signing_secret
        url = RequestUrl(str(wish.get("url", "")), secret, self.clock.today)
        await url.verify(self.workspace.next_ts())
        self.delivery.carrier = url
        return web.json_response({"ok": True})


def _told(number: int, change: Change, message: Message) -> Json:
    seen = message.body | {"pings": pings(message), "unfurls": unfurls(message)}
    return {
        "n": number,
        "at": change.at,
        "type": change.kind,
        "channel": change.channel,
        "message": seen,
    }


def _within(request: web.Request) -> float:
    return min(float(request.query.get("timeout", LONGEST_WAIT)), LONGEST_WAIT)


def _number(request: web.Request, name: str) -> int:
    try:
        return int(request.query.get(name, "0"))
    except ValueError:
        raise SlackError("invalid_arguments") from None
