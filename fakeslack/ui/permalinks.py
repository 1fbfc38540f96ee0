"""Permalinks: leads the address of a message to the page, as Slack leads it to the client."""

import re

from aiohttp import web

from fakeslack.errors import SlackError

MESSAGE_NAME = re.compile(r"p(\d{1,12})(\d{6})")
TIMESTAMP = re.compile(r"\d{1,12}\.\d{6}")
CHANNEL_ID = re.compile(r"[A-Z0-9]{1,64}")


async def redirect_permalink(request: web.Request) -> web.Response:
    """Redirect to the thread of a message. Raises `message_not_found` for a malformed address."""
    channel = request.match_info["channel"]
    found = MESSAGE_NAME.fullmatch(request.match_info["message"])
    if not CHANNEL_ID.fullmatch(channel) or not found:
        raise SlackError("message_not_found")
    thread_ts = request.query.get("thread_ts", "")
    root = thread_ts if TIMESTAMP.fullmatch(thread_ts) else ".".join(found.groups())
    raise web.HTTPFound(f"/#//{channel}/{root}")
