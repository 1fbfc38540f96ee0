"""Command line of the workspace simulator: `python -m fakeslack`."""

import argparse
import asyncio
import contextlib
import re
import signal
import sys

import structlog
from aiohttp import web

from fakeslack.app import ServerOptions, WorkspaceServer
from fakeslack.state.change_log import DEFAULT_MAX_CHANGES

MAX_PORT = 65_535
HOST_NAME_PATTERN = re.compile(r"[0-9A-Za-z._-]+|\[[0-9A-Fa-f:]+\]")
ANY_ADDRESSES = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""The loopback address to open if the server listens on all addresses."""
SHUTDOWN_TIMEOUT_SECONDS = 1.0


def _parse_port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to {MAX_PORT}, not '{text}'")
    return int(text)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakeslack",
        description="Slack workspace simulator.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=_parse_port, default=8065, help="port to listen on; 0 chooses a free one"
    )
    parser.add_argument(
        "--allow-host",
        type=_parse_host_name,
        action="append",
        default=[],
        help="name besides loopback addresses under which clients may reach this server",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="simulated seconds per real second, for retries, lifetimes and limits",
    )
    parser.add_argument(
        "--ack-seconds",
        type=float,
        default=3.0,
        help="real seconds until an unacknowledged delivery fails",
    )
    parser.add_argument("--rate-limits", action="store_true", help="enforce Slack's rate limits")
    parser.add_argument(
        "--request-url", default="", help="HTTP mode: the URL that events are posted to"
    )
    parser.add_argument(
        "--max-records",
        type=int,
        default=DEFAULT_MAX_CHANGES,
        help="maximum number of recorded calls, of deliveries and of changes",
    )
    parser.add_argument(
        "--ahead",
        type=float,
        default=0.0,
        help="seconds that Slack's clock is ahead of this machine's",
    )
    return parser


def _parse_host_name(text: str) -> str:
    if not HOST_NAME_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be a host name without a port, not '{text}'")
    return text


def _name_in_address(host: str) -> str:
    """Return the host name of an address to open; the loopback address for all addresses."""
    if host in ANY_ADDRESSES:
        return ANY_ADDRESSES[host]
    return f"[{host}]" if ":" in host else host


async def _serve_workspace(host: str, port: int, options: ServerOptions) -> None:
    stop_event = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop_event.set)
    server = WorkspaceServer(options)
    runner = web.AppRunner(
        server.build_application(), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_SECONDS
    )
    await runner.setup()
    try:
        tcp_site = web.TCPSite(runner, host, port)
        await tcp_site.start()
        bound_port = runner.addresses[0][1]
        server.workspace.base_url = f"http://{_name_in_address(host)}:{bound_port}"
        print(f"fakeslack: {server.workspace.base_url}", flush=True)  # noqa: T201 - the line that callers wait for
        await stop_event.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Serve the workspace until SIGTERM or SIGINT; return the exit status."""
    arguments = _build_parser().parse_args()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    options = ServerOptions(
        seed=arguments.seed,
        speed=arguments.speed,
        ack_seconds=arguments.ack_seconds,
        rate_limits=arguments.rate_limits,
        request_url=arguments.request_url,
        max_records=arguments.max_records,
        ahead_seconds=arguments.ahead,
        allowed_hosts=(*arguments.allow_host, _name_in_address(arguments.host)),
    )
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve_workspace(arguments.host, arguments.port, options))
    except OSError as error:
        print(f"fakeslack: {arguments.host}:{arguments.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
