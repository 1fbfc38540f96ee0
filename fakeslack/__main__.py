"""Serves a workspace: `python -m fakeslack`."""

import argparse
import asyncio
import contextlib
import signal
import sys

import structlog
from aiohttp import web

from fakeslack.app import Options, Site
from fakeslack.state.change_log import KEPT

HIGHEST_PORT = 65_535
SHUTDOWN_SECONDS = 1.0


def _port(given: str) -> int:
    if not given.isdecimal() or int(given) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to {HIGHEST_PORT}, not '{given}'")
    return int(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakeslack",
        description="A Slack workspace on this machine.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8065, help="port; 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything left to chance")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="how fast repetitions, lifetimes and limits pass"
    )
    parser.add_argument(
        "--ack-seconds",
        type=float,
        default=3.0,
        help="real seconds in which the app has to acknowledge",
    )
    parser.add_argument("--limits", action="store_true", help="apply Slack's rate limits")
    parser.add_argument("--request-url", default="", help="HTTP mode: deliver here, not by socket")
    parser.add_argument(
        "--keep", type=int, default=KEPT, help="calls, deliveries and changes to remember, of each"
    )
    parser.add_argument(
        "--ahead", type=float, default=0.0, help="seconds that Slack's clock is ahead of ours"
    )
    return parser


async def _serve(host: str, port: int, options: Options) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    site = Site(options)
    runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        place = web.TCPSite(runner, host, port)
        await place.start()
        taken = runner.addresses[0][1]
        site.workspace.address = f"http://{host}:{taken}"
        print(f"fakeslack: {site.workspace.address}", flush=True)  # noqa: T201 - the agreed line
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status."""
    given = _parser().parse_args()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    options = Options(
        given.seed,
        given.speed,
        given.ack_seconds,
        given.limits,
        given.request_url,
        given.keep,
        given.ahead,
    )
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_serve(given.host, given.port, options))
    except OSError as why:
        print(f"fakeslack: {given.host}:{given.port}: {why.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
