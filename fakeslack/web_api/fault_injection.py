"""Makes a call go wrong on the wire as a rule says."""

import asyncio
import base64
import json
import socket
import struct

from aiohttp import web

from fakeslack.delivery.faults import Fault, Rule
from fakeslack.errors import Json

PAGE = "<!DOCTYPE html><html><body><h1>Server Error</h1></body></html>"
RST_ON_CLOSE = struct.pack("ii", 1, 0)


async def instead(request: web.Request, rule: Rule) -> web.StreamResponse | None:
    """Answer in the place of the method; None where the method may act after all."""
    match rule.fault:
        case Fault.RATELIMITED:
            return limited(rule.retry_after)
        case Fault.STATUS:
            return _page(rule.status)
        case Fault.ERROR:
            return web.json_response({"ok": False, "error": rule.error})
        case Fault.HTML:
            return _page(200)
        case Fault.DROP_BEFORE:
            return cut(request, rule)
        case Fault.SLOW:
            await asyncio.sleep(rule.seconds)
    return None


async def afterwards(request: web.Request, rule: Rule, body: Json) -> web.StreamResponse | None:
    """Answer in the place of the true answer `body`; None where that may go out after all."""
    match rule.fault:
        case Fault.TRUNCATED:
            whole = json.dumps(body)
            half = whole[: len(whole) // 2]
            return web.Response(text=half, content_type="application/json")
        case Fault.ENDLESS:
            again = {"has_more": True, "response_metadata": {"next_cursor": _again(body)}}
            return web.json_response({**body, **again})
        case Fault.DROP_AFTER:
            return cut(request, rule)
        case Fault.STATUS_AFTER:
            return _page(rule.status)
        case Fault.SLOW_AFTER:
            await asyncio.sleep(rule.seconds)
    return None


def _again(body: Json) -> str:
    """Return a cursor that leads to the first reply of a page once more."""
    first = (body.get("messages") or [{}])[-1].get("ts", "")
    return base64.b64encode(f"next_ts:{first}".encode()).decode()


def limited(retry_after: str | float | None) -> web.Response:
    """Return the answer to a call that came too soon."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"ok": False, "error": "ratelimited"}
    return web.json_response(body, status=429, headers=headers)


def cut(request: web.Request, rule: Rule) -> web.Response:
    """Cut the connection; the response returned goes nowhere."""
    transport = request.transport
    if transport is not None:
        wire = transport.get_extra_info("socket")
        if rule.reset and wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        transport.abort()
    return web.Response(status=500)


def _page(status: int) -> web.Response:
    return web.Response(status=status, text=PAGE, content_type="text/html")
