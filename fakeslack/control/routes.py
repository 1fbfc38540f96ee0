"""Control routes for tests: recorded traffic, fault injection, clock and sockets."""

import asyncio
import contextlib
from dataclasses import asdict, dataclass

from aiohttp import web

from fakeslack.clock import SimulatedClock
from fakeslack.delivery.dispatcher import EventDispatcher
from fakeslack.delivery.faults import FaultInjector
from fakeslack.delivery.http_mode import HttpTransport
from fakeslack.delivery.journal import Journal
from fakeslack.delivery.socket_mode import SocketModeTransport
from fakeslack.delivery.transport import EnvelopeSender
from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.change_log import ActivityCounter, ChangeLog
from fakeslack.state.changes import Change
from fakeslack.state.limits import RateLimits
from fakeslack.state.messages import Message
from fakeslack.state.mrkdwn import find_pings, find_unfurls
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.server import WebApi

MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ControlRoutes:
    """The parts of a workspace that tests inspect and adjust."""

    workspace: Workspace
    clock: SimulatedClock
    journal: Journal
    change_log: ChangeLog
    activity: ActivityCounter
    socket_mode: SocketModeTransport
    sender: EnvelopeSender
    dispatcher: EventDispatcher
    fault_injector: FaultInjector
    web_api: WebApi

    def control_routes(self) -> list[web.RouteDef]:
        """Return the control routes."""
        return [
            web.get("/_control/calls", self._list_calls),
            web.get("/_control/deliveries", self._list_deliveries),
            web.get("/_control/changes", self._list_changes),
            web.get("/_control/wait", self._wait_for_change),
            web.get("/_control/activity", self._wait_for_activity),
            web.post("/_control/redeliver", self._redeliver_events),
            web.post("/_control/clock", self._adjust_clock),
            web.post("/_control/sockets", self._control_sockets),
            web.post("/_control/faults", self._replace_faults),
            web.post("/_control/limits", self._switch_rate_limits),
            web.post("/_control/event", self._send_event),
            web.post("/_control/request_url", self._set_request_url),
        ]

    async def _list_calls(self, request: web.Request) -> web.Response:
        since = _query_number(request, "since")
        body = {"calls": self.journal.calls_since(since), "next": self.journal.next_call_number}
        return web.json_response(body)

    async def _list_deliveries(self, _request: web.Request) -> web.Response:
        deliveries = [asdict(record) for record in self.journal.deliveries]
        return web.json_response(
            {"deliveries": deliveries, "first": self.journal.first_delivery_number}
        )

    async def _list_changes(self, request: web.Request) -> web.Response:
        since = _query_number(request, "since")
        changes = [
            _describe_change(number, change, change.message)
            for number, change in self.change_log.changes_since(since)
            if change.message is not None and change.only_for is None
        ]
        body = {
            "changes": changes,
            "first": self.change_log.first_number,
            "next": self.change_log.next_number,
        }
        return web.json_response(body)

    async def _wait_for_change(self, request: web.Request) -> web.Response:
        number = _query_number(request, "since")
        try:
            await asyncio.wait_for(
                self.change_log.wait_for_change(number), _timeout_seconds(request)
            )
        except TimeoutError:
            return web.json_response(
                {"ok": True, "next": self.change_log.next_number, "happened": False}
            )
        return web.json_response(
            {"ok": True, "next": self.change_log.next_number, "happened": True}
        )

    async def _wait_for_activity(self, request: web.Request) -> web.Response:
        number = _query_number(request, "since")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                self.activity.wait_for_activity(number), _timeout_seconds(request)
            )
        return web.json_response({"ok": True, "next": self.activity.count})

    async def _redeliver_events(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        count = self.dispatcher.redeliver_events(str(body.get("ts", "")), body.get("event_type"))
        if not count:
            raise SlackError("message_not_found")
        return web.json_response({"ok": True, "sent": count})

    async def _adjust_clock(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        speed = body.get("speed")
        self.clock.adjust_clock(speed=speed, advance=float(body.get("advance", 0)))
        self.clock.ahead_seconds = float(body.get("ahead", self.clock.ahead_seconds))
        self.sender.ack_seconds = float(body.get("ack_seconds", self.sender.ack_seconds))
        return web.json_response({"ok": True, "now": self.clock.elapsed_seconds()})

    async def _control_sockets(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        match body.get("action"):
            case "drop":
                count = self.socket_mode.abort_all()
            case "warning":
                count = await self.socket_mode.warn_all()
            case "refresh_requested" | "link_disabled" | "too_many_websockets" as reason:
                count = await self.socket_mode.disconnect_all(reason)
            case "enable":
                self.socket_mode.is_enabled, self.socket_mode.ignore_pings, count = True, False, 0
            case "ignore_pings":
                self.socket_mode.ignore_pings, count = True, 0
            case "stale_tickets":
                self.socket_mode.num_stale_tickets, count = int(body.get("count", 1)), 0
            case "send_frame":
                count = await self.socket_mode.broadcast_frame(str(body.get("frame", "")))
            case _:
                raise SlackError("invalid_arguments")
        return web.json_response({"ok": True, "sockets": count})

    async def _replace_faults(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        rules, deliveries = body.get("rules", []), body.get("deliveries", {})
        if not isinstance(rules, list) or not isinstance(deliveries, dict):
            raise SlackError("invalid_arguments")
        replaced = [asdict(rule) for rule in self.fault_injector.rules]
        self.fault_injector.replace_rules(rules, deliveries, int(body.get("seed", 0)))
        return web.json_response({"ok": True, "before": replaced})

    async def _switch_rate_limits(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        self.web_api.rate_limits = (
            RateLimits(self.clock.elapsed_seconds) if body.get("on", True) else None
        )
        return web.json_response({"ok": True})

    async def _send_event(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        event = body.get("event")
        if not isinstance(event, dict):
            raise SlackError("invalid_arguments")
        event_id = self.dispatcher.send_event({"event_ts": self.workspace.next_ts(), **event})
        return web.json_response({"ok": True, "event_id": event_id})

    async def _set_request_url(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        secret = self.workspace.app.signing_secret
        transport = HttpTransport(str(body.get("url", "")), secret, self.clock.epoch_seconds)
        await transport.verify_url(self.workspace.next_ts())
        self.sender.transport = transport
        return web.json_response({"ok": True})


def _describe_change(number: int, change: Change, message: Message) -> Json:
    message_body = message.body | {"pings": find_pings(message), "unfurls": find_unfurls(message)}
    return {
        "number": number,
        "at": change.at,
        "type": change.kind,
        "channel": change.channel,
        "message": message_body,
    }


def _timeout_seconds(request: web.Request) -> float:
    return min(float(request.query.get("timeout", MAX_WAIT_SECONDS)), MAX_WAIT_SECONDS)


def _query_number(request: web.Request, name: str) -> int:
    try:
        return int(request.query.get(name, "0"))
    except ValueError:
        raise SlackError("invalid_arguments") from None
