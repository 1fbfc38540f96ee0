"""Serves the Web API: reads a call however it was sent, lets it act, and writes it down."""

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from fakeslack.errors import Json, SlackError
from fakeslack.journal import Call, Journal
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.method import Method
from fakeslack.workspace import Workspace

FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


class WebApi:
    """All methods under one roof."""

    def __init__(
        self, workspace: Workspace, methods: Mapping[str, Method], journal: Journal
    ) -> None:
        self._workspace = workspace
        self._methods = methods
        self._journal = journal

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        name = request.match_info["method"]
        given: Json = {}
        early: SlackError | None = None
        try:
            given = await _given(request)
        except SlackError as refusal:
            early = refusal
        token = _token(request, given)
        call = self._journal.open_call(name, given)
        body = self._answer(name, token, given, early)
        return self._sent(call, body)

    def _answer(self, name: str, token: str, given: Json, early: SlackError | None) -> Json:
        try:
            if early is not None:
                raise early
            method = self._allowed(name, token)
            return {"ok": True, **method.act(self._workspace, Arguments(given))}
        except SlackError as refusal:
            return refusal.answer()

    def _allowed(self, name: str, token: str) -> Method:
        app = self._workspace.app
        method = self._methods.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        if not token:
            raise SlackError("not_authed")
        if token not in {app.bot_token, app.app_token}:
            raise SlackError("invalid_auth")
        if app.revoked:
            raise SlackError("token_revoked")
        if method.app_level != (token == app.app_token):
            raise SlackError("not_allowed_token_type")
        if method.scope is not None and method.scope not in app.scopes:
            provided = ",".join(sorted(app.scopes))
            raise SlackError("missing_scope", needed=method.scope, provided=provided)
        return method

    def _sent(self, call: Call, body: Json) -> web.Response:
        call.ok = bool(body["ok"])
        call.error = body.get("error")
        call.status = 200
        call.seconds = time.monotonic() - call.at
        headers = {"x-oauth-scopes": ",".join(sorted(self._workspace.app.scopes))}
        return web.json_response(body, headers=headers)


async def _given(request: web.Request) -> Json:
    given: dict[str, Any] = dict(request.query)
    if request.method == "GET" or not request.can_read_body:
        return given
    if request.content_type == "application/json":
        return given | await _json(request)
    if request.content_type in FORMS:
        form = await request.post()
        return given | {n: v for n, v in form.items() if isinstance(v, str)}
    raise SlackError("invalid_post_type")


async def _json(request: web.Request) -> Json:
    if not (await request.read()).strip():
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def _token(request: web.Request, given: Json) -> str:
    header = request.headers.get("Authorization", "")
    kind, _, token = header.partition(" ")
    field = str(given.pop("token", "") or "")
    if kind.lower() == "bearer" and token:
        return token.strip()
    return "" if request.content_type == "application/json" else field
