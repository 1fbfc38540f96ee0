"""Reads what the page and tests ask for, and answers their refusals as Slack words them."""

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from fakeslack.errors import Json, SlackError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def read_json(request: web.Request) -> Json:
    """
    Return the JSON object that was sent; raises `invalid_json` and `json_not_object`.

    It must be sent as JSON (else `invalid_post_type`): another site's page cannot do that.
    """
    if request.content_type != "application/json":
        raise SlackError("invalid_post_type")
    text = await request.text()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a refusal into status 400 with `{"ok": false, "error": …}`."""
    try:
        return await handler(request)
    except SlackError as refusal:
        return web.json_response(refusal.to_response(), status=400)
