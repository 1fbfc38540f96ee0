"""HTTP health endpoints for an orchestrator: liveness, readiness and Prometheus metrics."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from worker.metrics import Metrics


class HealthServer:
    """Server of `/healthz`, `/readyz` and `/metrics`. It shows no text and no ids."""

    def __init__(
        self,
        is_healthy: Callable[[], bool],
        find_missing: Callable[[], Awaitable[str | None]],
        metrics: Metrics,
    ) -> None:
        """`find_missing` names the dependency that the worker waits for; None if it is ready."""
        self._is_healthy = is_healthy
        self._find_missing = find_missing
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start_server(self, port: int) -> int:
        """Serve on `port`, or on any free port for 0; return the port."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._serve_liveness),
                web.get("/readyz", self._serve_readiness),
                web.get("/metrics", self._serve_metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "0.0.0.0", port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop_server(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve_liveness(self, _: web.Request) -> web.Response:
        is_alive = self._is_healthy()
        return web.Response(
            text="alive\n" if is_alive else "hung\n", status=200 if is_alive else 503
        )

    async def _serve_readiness(self, _: web.Request) -> web.Response:
        missing = await self._find_missing()
        if missing is None:
            return web.Response(text="ready\n")
        return web.Response(text=f"waiting for {missing}\n", status=503)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.render_metrics(), content_type="text/plain", charset="utf-8"
        )
