"""Application assembly: workspace state, Web API, Socket Mode, events, page and control API."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from fakeslack.clock import SimulatedClock
from fakeslack.control.admin import AdminRoutes
from fakeslack.control.routes import ControlRoutes
from fakeslack.delivery.dispatcher import EventDispatcher
from fakeslack.delivery.events import EventBuilder
from fakeslack.delivery.faults import FaultInjector
from fakeslack.delivery.http_mode import HttpTransport
from fakeslack.delivery.journal import Journal
from fakeslack.delivery.socket_mode import SocketModeTransport
from fakeslack.delivery.transport import EnvelopeSender
from fakeslack.errors import Json
from fakeslack.json_requests import error_middleware
from fakeslack.request_guard import RequestGuard
from fakeslack.state.change_log import DEFAULT_MAX_CHANGES, ActivityCounter, ChangeLog
from fakeslack.state.limits import RateLimits
from fakeslack.state.workspace import Workspace
from fakeslack.ui.page import PageRoutes
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.files import FileRoutes
from fakeslack.web_api.method import Method
from fakeslack.web_api.registry import METHODS
from fakeslack.web_api.responses import ResponseUrlRoutes
from fakeslack.web_api.server import WebApi

MAX_REQUEST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Start options of a workspace server; `speed` scales all delays, lifetimes and limits."""

    seed: int = 0
    speed: float = 1.0
    ack_seconds: float = 3.0
    rate_limits: bool = False
    request_url: str = ""
    max_records: int = DEFAULT_MAX_CHANGES
    ahead_seconds: float = 0.0
    allowed_hosts: tuple[str, ...] = ()


class WorkspaceServer:
    """A running workspace: `build_application` returns what aiohttp serves."""

    def __init__(self, options: ServerOptions) -> None:
        """Build every part; an event loop must be running."""
        rng = random.Random(options.seed)  # noqa: S311 - seeded for repeatable runs, not a secret
        self._clock = SimulatedClock(options.speed, options.ahead_seconds)
        self.workspace = Workspace(self._clock.epoch_seconds, self._clock.elapsed_seconds)
        self._activity = ActivityCounter()
        self._journal = Journal(self._activity, options.max_records)
        self._change_log = ChangeLog(self._activity, options.max_records)
        app_id = str(self.workspace.app.bot.app_id)
        self._socket_mode = SocketModeTransport(app_id, self._clock, rng, self._publish_connection)
        self._sender = EnvelopeSender(
            self._socket_mode, self._clock, self._journal, options.ack_seconds
        )
        fault_injector = FaultInjector()
        rate_limits = RateLimits(self._clock.elapsed_seconds) if options.rate_limits else None
        if options.request_url:
            secret = self.workspace.app.signing_secret
            transport = HttpTransport(options.request_url, secret, self._clock.epoch_seconds)
            self._sender.transport = transport
        dispatcher = EventDispatcher(
            EventBuilder(self.workspace, rng), self._sender, fault_injector
        )
        self.workspace.add_listener(self._change_log.append_change)
        self.workspace.add_listener(dispatcher.dispatch_change)
        self._guard = RequestGuard(options.allowed_hosts)
        self._page_routes = PageRoutes(
            self.workspace, self._change_log, self._sender, self._guard.token
        )
        self._web_api = WebApi(
            self.workspace, self._collect_methods(), self._journal, fault_injector, rate_limits
        )
        self._control_routes = ControlRoutes(
            workspace=self.workspace,
            clock=self._clock,
            journal=self._journal,
            change_log=self._change_log,
            activity=self._activity,
            socket_mode=self._socket_mode,
            sender=self._sender,
            dispatcher=dispatcher,
            fault_injector=fault_injector,
            web_api=self._web_api,
        )

    def build_application(self) -> web.Application:
        """Return the aiohttp application with all routes."""
        application = web.Application(
            client_max_size=MAX_REQUEST_BYTES,
            middlewares=[self._guard.check_request, error_middleware],
        )
        application.add_routes(
            [
                web.route("*", "/api/{method}", self._web_api.handle_call),
                web.get("/link/", self._socket_mode.accept_socket),
                *FileRoutes(self.workspace).file_routes(),
                *ResponseUrlRoutes(self.workspace).response_routes(),
                *self._page_routes.page_routes(),
                *AdminRoutes(self.workspace).admin_routes(),
                *self._control_routes.control_routes(),
            ]
        )
        application.on_shutdown.append(self._shut_down)
        application.on_response_prepare.append(self._set_date_header)
        application.on_response_prepare.append(self._guard.add_headers)
        return application

    async def _set_date_header(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(self._clock.epoch_seconds(), usegmt=True)

    async def _shut_down(self, _application: web.Application) -> None:
        self._activity.stop_waiting()
        await self._sender.cancel_pending()
        await self._socket_mode.close_all()
        if isinstance(self._sender.transport, HttpTransport):
            await self._sender.transport.close_session()

    def _publish_connection(self, is_connected: bool) -> None:  # noqa: FBT001 - a listener with one argument
        self._page_routes.publish_connection(is_connected)

    def _collect_methods(self) -> Mapping[str, Method]:
        connections_open = Method(self._apps_connections_open, frozenset(), app_level=True)
        return {"apps.connections.open": connections_open, **METHODS}

    def _apps_connections_open(self, workspace: Workspace, _args: Arguments) -> Json:
        ticket = self._socket_mode.issue_ticket()
        websocket_url = workspace.base_url.replace("http", "ws", 1)
        return {"url": f"{websocket_url}/link/?ticket={ticket}&app_id={workspace.app.bot.app_id}"}
