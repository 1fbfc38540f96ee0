"""
HTTP health endpoints for an orchestrator: liveness, readiness and Prometheus metrics.

They answer from the start of the process on, while the model loads and Redis is away.
"""

import asyncio
import logging
from collections.abc import Callable

from aiohttp import web

from contract.app_access import AppAccess
from contract.connection_guard import ConnectionGuard, ConnectionLimits
from contract.listening_socket import open_listening_socket
from worker.engine import Engine, EngineState
from worker.metrics import Metrics


class WorkerHealth:
    """Liveness and readiness. Liveness depends on nothing outside this process."""

    def __init__(self, access: AppAccess, engine: Engine, is_draining: Callable[[], bool]) -> None:
        """Start as alive, and as waiting for Redis. `engine` runs the stable model."""
        self._access = access
        self._engine = engine
        self._is_draining = is_draining
        self._has_redis: Callable[[], bool] = lambda: False
        self._is_alive: Callable[[], bool] = lambda: True

    def watch_services(
        self, *, has_redis: Callable[[], bool], is_alive: Callable[[], bool]
    ) -> None:
        """Watch the services of a registered worker from now on."""
        self._has_redis = has_redis
        self._is_alive = is_alive

    def is_alive(self) -> bool:
        """Return whether the process does its work; a process that does not must be restarted."""
        return self._is_alive()

    def find_missing(self) -> str | None:
        """Return the dependency that the worker waits for; `None` if it is ready."""
        health, refusal = self._engine.health, self._access.describe_refusal()
        if self._is_draining():
            return "shutdown"
        if refusal is not None:
            return refusal
        if health.state is not EngineState.READY:
            return f"the model ({health.stage})" if health.stage else "the model"
        return None if self._has_redis() else "Redis"


class HealthServer:
    """Server of `/healthz`, `/readyz` and `/metrics`. It shows no text and no ids."""

    def __init__(self, health: WorkerHealth, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    async def start_server(self, host: str, port: int) -> None:
        """Serve on `host`, or on all addresses. Raises `OSError` if it cannot be bound."""
        listening_socket = open_listening_socket(host, port)
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._serve_liveness),
                web.get("/readyz", self._serve_readiness),
                web.get("/metrics", self._serve_metrics),
            ]
        )
        # aiohttp logs what it cannot parse as an error: one line for each hostile request.
        logger = logging.getLogger("aiohttp.server.starchat")
        logger.setLevel(logging.CRITICAL)
        self._runner = web.AppRunner(app, access_log=None, logger=logger)
        await self._runner.setup()
        server, guard = self._runner.server, ConnectionGuard(ConnectionLimits())
        if server is None:
            raise RuntimeError("aiohttp set up no server")
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: guard.wrap_protocol(server), sock=listening_socket
        )

    async def stop_server(self) -> None:
        """Stop serving."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_liveness(self, _: web.Request) -> web.Response:
        is_alive = self._health.is_alive()
        return web.Response(
            text="alive\n" if is_alive else "hung\n", status=200 if is_alive else 503
        )

    async def _serve_readiness(self, _: web.Request) -> web.Response:
        missing = self._health.find_missing()
        if missing is None:
            return web.Response(text="ready\n")
        return web.Response(text=f"waiting for {missing}\n", status=503)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render_metrics(), content_type="text/plain", charset="utf-8"
        )
