"""Signed requests and health checks of a bot in HTTP mode beside a thousand hostile sockets."""

import asyncio
import contextlib
import http.client
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Final

from slack_sdk.signature import SignatureVerifier

from chaos.scenario import percentile
from testing.process_tree import count_open_files, resident_mib
from testing.processes import Process, free_port
from testing.redis_server import RedisServer
from testing.slack_events import make_body, make_message
from testing.workspace import Workspace

SECRET: Final = "fakeslack"  # noqa: S105 - of the local workspace
BYTE_INTERVAL_SECONDS: Final = 3.0
RECONNECT_SECONDS: Final = 1.0
START_TIMEOUT_SECONDS: Final = 300.0
"""Maximum time until all hostile sockets have connected."""
REQUEST_INTERVAL_SECONDS: Final = 0.1
REQUEST_TIMEOUT_SECONDS: Final = 10.0
MAX_P99_MS: Final = 1000

POST: Final = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
HOSTILE_BYTES: Final = (
    (b"", b""),
    (b"", b"G"),
    (POST, b"X: y\r\n"),
    (POST + b"Content-Length: 1000000\r\n\r\n", b"x"),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    (POST + b"X: " + b"x" * 8000, b"x"),
)
"""First bytes of a socket, and what it sends every `BYTE_INTERVAL_SECONDS`."""


@dataclass(frozen=True, slots=True)
class HostileFigures:
    """Times of one run in milliseconds, failed requests, and the bot's open files and memory."""

    signed_ms: list[float]
    health_ms: list[float]
    failures: int
    open_files: int
    memory_mib: float


def main(sockets: int, seconds: float) -> str:
    """Measure, and return the table."""
    return format_figures(measure_hostile_sockets(sockets, seconds))


def measure_hostile_sockets(sockets: int, seconds: float) -> HostileFigures:
    """Send signed requests and health checks for `seconds` s beside `sockets` hostile sockets."""
    ports = {"PORT": free_port(), "HEALTH_PORT": free_port()}
    with RedisServer() as server, Workspace() as workspace:
        variables = workspace.environment | {"SLACK_SIGNING_SECRET": SECRET}
        variables |= {name: str(port) for name, port in ports.items()}
        del variables["SLACK_APP_TOKEN"]
        with Process("bot", REDIS_URL=server.url, **variables) as bot:
            bot.wait_for_event("ready")
            with attack_ports(sockets, *ports.values()):
                return _measure_bot(bot, seconds, *ports.values())


@contextlib.contextmanager
def attack_ports(sockets: int, *ports: int) -> Iterator[None]:
    """Keep hostile sockets to these ports open, from a process whose work delays no measurement."""
    context = multiprocessing.get_context("spawn")
    all_begun = context.Event()
    attack = context.Process(target=_run_attack, args=(ports, sockets, all_begun), daemon=True)
    attack.start()
    try:
        if not all_begun.wait(START_TIMEOUT_SECONDS):
            raise RuntimeError("the hostile sockets did not connect")
        yield
        if not attack.is_alive():
            raise RuntimeError("the hostile process ended early")
    finally:
        attack.kill()
        attack.join()


def _measure_bot(bot: Process, seconds: float, port: int, health_port: int) -> HostileFigures:
    with ThreadPoolExecutor(2) as pool:
        signed = pool.submit(_repeat_request, _signed_request(port), seconds)
        health = pool.submit(_repeat_request, _health_request(health_port), seconds)
        times = [signed.result(), health.result()]
    return HostileFigures(
        signed_ms=[ms for ms in times[0] if ms is not None],
        health_ms=[ms for ms in times[1] if ms is not None],
        failures=sum(found.count(None) for found in times),
        open_files=count_open_files(bot.pid),
        memory_mib=resident_mib(bot.pid),
    )


def format_figures(figures: HostileFigures) -> str:
    """Return a Markdown table."""
    rows = ["| figure | value | aim |", "|---|---|---|"]
    for name, times in (("signed request", figures.signed_ms), ("health", figures.health_ms)):
        rows.append(f"| {name}, p50 of {len(times)} | {percentile(times, 50):.0f} ms |  |")
        rows.append(f"| {name}, p99 | {percentile(times, 99):.0f} ms | ≤ {MAX_P99_MS} ms |")
    rows.append(f"| requests without an answer of status 200 | {figures.failures} | 0 |")
    rows.append(f"| open files of the bot | {figures.open_files} |  |")
    rows.append(f"| memory of the bot (VmRSS) | {figures.memory_mib:.0f} MiB | ≤ 150 MiB |")
    return "\n".join(rows)


def _run_attack(ports: tuple[int, ...], sockets: int, all_begun: Event) -> None:
    begun = asyncio.Semaphore(0)

    async def attack_all() -> None:
        attacks = [
            asyncio.create_task(
                _attack_port(begun, ports[number % len(ports)], *HOSTILE_BYTES[number // 2 % 6])
            )
            for number in range(sockets)
        ]
        for _ in attacks:
            await begun.acquire()
        all_begun.set()
        await asyncio.gather(*attacks)

    asyncio.run(attack_all())


async def _attack_port(begun: asyncio.Semaphore, port: int, first: bytes, repeated: bytes) -> None:
    """Keep one hostile socket open, and open it again when it is closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begun.release()
            closed = asyncio.create_task(reader.read())
            writer.write(first)
            while not closed.done():
                await asyncio.wait([closed], timeout=BYTE_INTERVAL_SECONDS)
                writer.write(repeated)
            writer.close()
            await asyncio.gather(closed, return_exceptions=True)
        await asyncio.sleep(RECONNECT_SECONDS)


def _repeat_request(send: Callable[[int], int], seconds: float) -> list[float | None]:
    """Send requests in turn; return each one's milliseconds, `None` for a failed one."""
    times: list[float | None] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            is_answered = send(len(times) + 1) == http.client.OK
        except (OSError, http.client.HTTPException):
            is_answered = False
        times.append((time.monotonic() - began) * 1000 if is_answered else None)
        time.sleep(REQUEST_INTERVAL_SECONDS)
    return times


def _signed_request(port: int) -> Callable[[int], int]:
    def send(number: int) -> int:
        body = json.dumps(make_body(make_message(number)))
        now = str(int(time.time()))
        signature = SignatureVerifier(SECRET).generate_signature(timestamp=now, body=body)
        headers = {
            "Content-Type": "application/json",
            "X-Slack-Request-Timestamp": now,
            "X-Slack-Signature": str(signature),
        }
        return _request(port, "POST", "/slack/events", body, headers)

    return send


def _health_request(port: int) -> Callable[[int], int]:
    def send(number: int) -> int:
        return _request(port, "GET", "/readyz" if number % 2 else "/healthz", None, {})

    return send


def _request(port: int, method: str, path: str, body: str | None, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
