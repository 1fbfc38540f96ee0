"""Control for tests: what Slack has no method for, and what the journal holds."""

import asyncio
from dataclasses import asdict, dataclass

from aiohttp import web

from fakeslack.asked import asked
from fakeslack.clock import Clock
from fakeslack.delivery import Delivery
from fakeslack.errors import Json, SlackError
from fakeslack.faults import Faults
from fakeslack.feed import Feed
from fakeslack.http_events import RequestUrl
from fakeslack.journal import Journal
from fakeslack.limits import Limits
from fakeslack.messages import Manner
from fakeslack.people import Person
from fakeslack.socket_mode import Sockets
from fakeslack.subscription import Subscription
from fakeslack.web_api.files import share
from fakeslack.web_api.server import WebApi
from fakeslack.workspace import Workspace

LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Control:
    """Everything a test may look at and turn."""

    workspace: Workspace
    clock: Clock
    journal: Journal
    feed: Feed
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
            web.get("/_control/wait", self._wait),
            web.post("/_control/raw_post", self._raw_post),
            web.post("/_control/redeliver", self._redeliver),
            web.post("/_control/archive", self._archive),
            web.post("/_control/kick", self._kick),
            web.post("/_control/invite", self._invite),
            web.post("/_control/create", self._create),
            web.post("/_control/clock", self._clock),
            web.post("/_control/sockets", self._sockets),
            web.post("/_control/app", self._app),
            web.post("/_control/faults", self._faults),
            web.post("/_control/limits", self._limits),
            web.post("/_control/event", self._event),
            web.post("/_control/delete", self._delete),
            web.post("/_control/request_url", self._request_url),
            web.post("/_control/file", self._file),
        ]

    async def _calls(self, request: web.Request) -> web.Response:
        since = _number(request, "since")
        body = {"calls": self.journal.calls(since), "next": self.journal.next_call}
        return web.json_response(body)

    async def _events(self, _request: web.Request) -> web.Response:
        envelopes = [asdict(envelope) for envelope in self.journal.envelopes]
        return web.json_response({"events": envelopes})

    async def _wait(self, request: web.Request) -> web.Response:
        number = _number(request, "since")
        within = min(float(request.query.get("timeout", LONGEST_WAIT)), LONGEST_WAIT)
        try:
            await asyncio.wait_for(self.feed.beyond(number), within)
        except TimeoutError:
            return web.json_response({"ok": True, "next": self.feed.next, "happened": False})
        return web.json_response({"ok": True, "next": self.feed.next, "happened": True})

    async def _raw_post(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.pop("channel", "")))
        person = self._author(wish)
        body: Json = {"user": person.id, "text": "", "team": person.team, **wish}
        if person.is_bot:
            face = {"bot_id": person.bot_id, "app_id": person.app_id}
            body = {**face, "bot_profile": person.bot_profile(), **body}
        body = {name: value for name, value in body.items() if value is not None}
        message = self.workspace.post(channel.id, body, Manner())
        return web.json_response({"ok": True, "ts": message.ts, "channel": channel.id})

    async def _redeliver(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        sent = self.subscription.redeliver(str(wish.get("ts", "")), wish.get("event_type"))
        if not sent:
            raise SlackError("message_not_found")
        return web.json_response({"ok": True, "sent": sent})

    async def _archive(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.get("channel", "")))
        self.workspace.archive(channel.id, archived=bool(wish.get("archived", True)))
        return web.json_response({"ok": True})

    async def _kick(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.get("channel", "")))
        self.workspace.leave(channel.id, self._member(wish).id)
        return web.json_response({"ok": True})

    async def _invite(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.get("channel", "")))
        self.workspace.join(channel.id, self._member(wish).id)
        return web.json_response({"ok": True})

    async def _create(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        members = [str(member) for member in wish.get("members", [])]
        private = bool(wish.get("private"))
        channel = self.workspace.create(str(wish.get("name", "new")), members, private=private)
        return web.json_response({"ok": True, "channel": channel.id})

    async def _clock(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        speed = wish.get("speed")
        self.clock.change(speed=speed, advance=float(wish.get("advance", 0)))
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
                self.sockets.enabled = reason != "link_disabled"
                count = await self.sockets.disconnect(reason)
            case "enable":
                self.sockets.enabled, count = True, 0
            case "stale_tickets":
                self.sockets.stale_tickets, count = int(wish.get("count", 1)), 0
            case "say":
                count = await self.sockets.say(str(wish.get("frame", "")))
            case _:
                raise SlackError("invalid_arguments")
        return web.json_response({"ok": True, "sockets": count})

    async def _app(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        app = self.workspace.app
        app.scopes -= set(wish.get("without_scopes", []))
        app.scopes |= set(wish.get("with_scopes", []))
        app.events -= set(wish.get("without_events", []))
        app.events |= set(wish.get("with_events", []))
        app.commands = set(wish.get("commands", app.commands))
        app.revoked = bool(wish.get("revoked", app.revoked))
        scopes, events = sorted(app.scopes), sorted(app.events)
        return web.json_response({"ok": True, "scopes": scopes, "events": events})

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
        url = RequestUrl(str(wish.get("url", "")), self.workspace.app.signing_secret)
        await url.verify(self.workspace.next_ts())
        self.delivery.carrier = url
        return web.json_response({"ok": True})

    async def _file(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.get("channel", "")))
        person = self._author(wish)
        content = str(wish.get("content", "")).encode()
        file = self.workspace.files.reserve(person.id, str(wish.get("name", "")), len(content))
        self.workspace.files.receive(file.id, content)
        self.workspace.files.finish(file.id, "")
        body: Json = {"user": person.id, "text": str(wish.get("text", "")), "team": person.team}
        if wish.get("thread_ts"):
            body["thread_ts"] = wish["thread_ts"]
        ts = share(self.workspace, channel.id, body, [file])
        return web.json_response({"ok": True, "ts": ts, "file": file.id})

    async def _delete(self, request: web.Request) -> web.Response:
        wish = await asked(request)
        channel = self.workspace.channel(str(wish.get("channel", "")))
        self.workspace.delete(self.workspace.message(channel.id, str(wish.get("ts", ""))))
        return web.json_response({"ok": True})

    def _author(self, wish: Json) -> Person:
        name = wish.pop("user", None) or wish.pop("bot_id", None) or ""
        return self.workspace.person(str(name))

    def _member(self, wish: Json) -> Person:
        return self.workspace.person(str(wish.get("user") or self.workspace.app.bot.id))


def _number(request: web.Request, name: str) -> int:
    try:
        return int(request.query.get(name, "0"))
    except ValueError:
        raise SlackError("invalid_arguments") from None
