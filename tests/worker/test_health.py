"""Health server of the worker beside clients that send no request."""

import asyncio

import aiohttp

from contract.app_access import AppAccess
from contract.connection_guard import ConnectionLimits
from testing.processes import free_port
from worker.engine.client import EngineClient
from worker.engine.protocol import EngineConfig
from worker.health import HealthServer, WorkerHealth
from worker.metrics import Metrics


async def test_silent_clients_do_not_block_health_checks() -> None:
    """Of more connections than the limit, the oldest are closed and a new one is served."""
    health = WorkerHealth(AppAccess(), EngineClient(EngineConfig()), lambda: False)
    server, port = HealthServer(health, Metrics()), free_port()
    await server.start_server("127.0.0.1", port)
    silent = [
        await asyncio.open_connection("127.0.0.1", port)
        for _ in range(ConnectionLimits().connections + 1)
    ]
    try:
        address = f"http://127.0.0.1:{port}/healthz"
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            assert response.status == 200
        assert await silent[0][0].read() == b""
    finally:
        for _, writer in silent:
            writer.close()
        await server.stop_server()
