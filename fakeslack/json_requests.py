"""JSON request bodies, and Slack-style error responses for the page and the control API."""

import json
from collections.abc import Awaitable, Callable

from aiohttp import web

from fakeslack.errors import Json, SlackError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def read_json(request: web.Request) -> Json:
    """
    Return the JSON object in a request body.

    Raises `invalid_post_type` if the request is not sent as JSON: no other site's page can send
    that. Raises `invalid_json` or `json_not_object` if the body is malformed.
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
    """Turn a SlackError into status 400 with `{"ok": false, "error": …}`."""
    try:
        return await handler(request)
    except SlackError as refusal:
        return web.json_response(refusal.to_response(), status=400)
