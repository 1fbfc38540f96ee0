"""Puts the workspace together: state, Web API, sockets, events, page and control."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from fakeslack.clock import Clock
from fakeslack.control.admin import Scenery
from fakeslack.control.routes import Control
from fakeslack.delivery.dispatcher import Subscription
from fakeslack.delivery.events import Events
from fakeslack.delivery.faults import Faults
from fakeslack.delivery.http_mode import RequestUrl
from fakeslack.delivery.journal import Journal
from fakeslack.delivery.socket_mode import Sockets
from fakeslack.delivery.transport import Delivery
from fakeslack.errors import Json
from fakeslack.json_requests import refusing
from fakeslack.state.change_log import KEPT, Feed
from fakeslack.state.limits import Limits
from fakeslack.state.pulse import Pulse
from fakeslack.state.workspace import Workspace
from fakeslack.ui.page import Page
from fakeslack.web_api import assistant, chat, conversations, files, streams, users, views
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method
from fakeslack.web_api.responses import Responses
from fakeslack.web_api.server import WebApi

LARGEST_REQUEST = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Options:
    """How the workspace is started."""

    seed: int = 0
    speed: float = 1.0
    ack_seconds: float = 3.0
    limits: bool = False
    request_url: str = ""
    keep: int = KEPT
    ahead: float = 0.0


class Site:
    """A running workspace; `application` serves it, `address` is where."""

    def __init__(self, options: Options) -> None:
        """Build everything; an event loop must be running."""
        dice = random.Random(options.seed)  # noqa: S311 - repeatable on purpose, not secret
        self._clock = Clock(options.speed, options.ahead)
        self.workspace = Workspace(self._clock.today, self._clock.now)
        self._pulse = Pulse()
        self._journal = Journal(self._pulse, options.keep)
        self._feed = Feed(self._pulse, options.keep)
        app_id = str(self.workspace.app.bot.app_id)
        self._sockets = Sockets(app_id, self._clock, dice, self._connected)
        self._delivery = Delivery(self._sockets, self._clock, self._journal, options.ack_seconds)
        faults = Faults()
        limits = Limits(self._clock.now) if options.limits else None
        if options.request_url:
            secret = self.workspace.app.signing_secret
            url = RequestUrl(options.request_url, secret, self._clock.today)
            self._delivery.carrier = url
        subscription = Subscription(Events(self.workspace, dice), self._delivery, faults)
        self.workspace.listen(self._feed.put)
        self.workspace.listen(subscription.hear)
        self._page = Page(self.workspace, self._feed, self._delivery)
        self._web_api = WebApi(self.workspace, self._methods(), self._journal, faults, limits)
        self._control = Control(
            self.workspace,
            self._clock,
            self._journal,
            self._feed,
            self._pulse,
            self._sockets,
            self._delivery,
            subscription,
            faults,
            self._web_api,
        )

    def application(self) -> web.Application:
        """Return what aiohttp serves."""
        application = web.Application(client_max_size=LARGEST_REQUEST, middlewares=[refusing])
        application.add_routes(
            [
                web.route("*", "/api/{method}", self._web_api.handle),
                web.get("/link/", self._sockets.accept),
                *files.Storage(self.workspace).routes(),
                *Responses(self.workspace).routes(),
                *self._page.routes(),
                *Scenery(self.workspace).routes(),
                *self._control.routes(),
            ]
        )
        application.on_shutdown.append(self._close)
        application.on_response_prepare.append(self._date)
        return application

    async def _date(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Date"] = formatdate(self._clock.today(), usegmt=True)

    async def _close(self, _application: web.Application) -> None:
        self._pulse.stop()
        await self._delivery.close()
        await self._sockets.close()
        if isinstance(self._delivery.carrier, RequestUrl):
            await self._delivery.carrier.close()

    def _connected(self, connected: bool) -> None:  # noqa: FBT001 - the one thing there is to say
        self._page.connected(connected)

    def _methods(self) -> Mapping[str, Method]:
        connect = Method(self._connect, frozenset(), app_level=True)
        return {
            "apps.connections.open": connect,
            **assistant.METHODS,
            **chat.METHODS,
            **conversations.METHODS,
            **files.METHODS,
            **streams.METHODS,
            **users.METHODS,
            **views.METHODS,
        }

    def _connect(self, workspace: Workspace, _args: Arguments) -> Json:
        ticket = self._sockets.ticket()
        where = workspace.address.replace("http", "ws", 1)
        return {"url": f"{where}/link/?ticket={ticket}&app_id={workspace.app.bot.app_id}"}
