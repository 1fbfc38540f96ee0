"""Fault injection on the wire: applies a fault rule to one HTTP response."""

import asyncio
import base64
import json
import socket
import struct

from aiohttp import web

from fakeslack.delivery.faults import FaultKind, FaultRule
from fakeslack.errors import Json

ERROR_PAGE = "<!DOCTYPE html><html><body><h1>Server Error</h1></body></html>"
RST_ON_CLOSE = struct.pack("ii", 1, 0)


async def respond_before_method(request: web.Request, rule: FaultRule) -> web.StreamResponse | None:
    """Return the response that replaces the call, or None if the method shall run."""
    match rule.fault:
        case FaultKind.RATELIMITED:
            return rate_limit_response(rule.retry_after)
        case FaultKind.STATUS:
            return _html_response(rule.status)
        case FaultKind.ERROR:
            return web.json_response({"ok": False, "error": rule.error})
        case FaultKind.HTML:
            return _html_response(200)
        case FaultKind.DROP_BEFORE:
            return reset_connection(request, rule)
        case FaultKind.SLOW:
            await asyncio.sleep(rule.seconds)
    return None


async def respond_after_method(
    request: web.Request, rule: FaultRule, body: Json
) -> web.StreamResponse | None:
    """Return the response that replaces the answer `body`, or None if `body` shall be sent."""
    match rule.fault:
        case FaultKind.TRUNCATED:
            text = json.dumps(body)
            half = text[: len(text) // 2]
            return web.Response(text=half, content_type="application/json")
        case FaultKind.ENDLESS:
            next_page = {
                "has_more": True,
                "response_metadata": {"next_cursor": _repeat_cursor(body)},
            }
            return web.json_response({**body, **next_page})
        case FaultKind.DROP_AFTER:
            return reset_connection(request, rule)
        case FaultKind.STATUS_AFTER:
            return _html_response(rule.status)
        case FaultKind.SLOW_AFTER:
            await asyncio.sleep(rule.seconds)
    return None


def _repeat_cursor(body: Json) -> str:
    """Return a cursor that leads to the page's last message again."""
    first = (body.get("messages") or [{}])[-1].get("ts", "")
    return base64.b64encode(f"next_ts:{first}".encode()).decode()


def rate_limit_response(retry_after: str | float | None) -> web.Response:
    """Return the 429 response to a rate-limited call."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"ok": False, "error": "ratelimited"}
    return web.json_response(body, status=429, headers=headers)


def reset_connection(request: web.Request, rule: FaultRule) -> web.Response:
    """Abort the connection; the returned response is never sent."""
    transport = request.transport
    if transport is not None:
        connection_socket = transport.get_extra_info("socket")
        if rule.reset and connection_socket is not None:
            connection_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
        transport.abort()
    return web.Response(status=500)


def _html_response(status: int) -> web.Response:
    return web.Response(status=status, text=ERROR_PAGE, content_type="text/html")
