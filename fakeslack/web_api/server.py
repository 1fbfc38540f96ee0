"""Serves the Web API: reads a call however it was sent, lets it act, and writes it down."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from fakeslack.delivery.faults import Faults
from fakeslack.delivery.journal import Call, Journal
from fakeslack.errors import Json, SlackError
from fakeslack.state.limits import Limits
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.fault_injection import afterwards, instead, limited
from fakeslack.web_api.method import Method

POSTING = {"chat.postMessage", "chat.postEphemeral"}
FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


class WebApi:
    """All methods under one roof; `limits` where they are to be kept."""

    def __init__(
        self,
        workspace: Workspace,
        methods: Mapping[str, Method],
        journal: Journal,
        faults: Faults,
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits
        self._workspace = workspace
        self._methods = methods
        self._journal = journal
        self._faults = faults

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, and write it down."""
        name = request.match_info["method"]
        self._workspace.address = f"{request.scheme}://{request.host}"
        given, refusal = await _read(request)
        token = _token(request, given)
        call = self._journal.open_call(name, given)
        rule = self._faults.strike(name, str(given.get("channel", "")))
        response = await instead(request, rule) if rule is not None else None
        if response is None:
            response = self._too_soon(name, given)
        if response is None:
            body = self._answer(call, token, given, refusal)
            response = await afterwards(request, rule, body) if rule is not None else None
            response = response or self._sent(body)
        call.fault = None if rule is None else rule.fault.value
        call.status = response.status
        call.retry_after = response.headers.get("Retry-After")
        self._journal.close_call(call)
        return response

    def _too_soon(self, name: str, given: Json) -> web.Response | None:
        method = self._methods.get(name)
        if self.limits is None or method is None:
            return None
        wait = self.limits.wait(name, method.tier)
        if wait is None and name in POSTING:
            wait = self.limits.wait_to_post(str(given.get("channel", "")))
        return None if wait is None else limited(wait)

    def _answer(self, call: Call, token: str, given: Json, early: SlackError | None) -> Json:
        try:
            if early is not None:
                raise early
            method = self._allowed(call.method, token)
            call.unknown = sorted(set(given) - method.takes)
            answer = method.act(self._workspace, Arguments(given))
        except SlackError as refusal:
            call.error = refusal.error
            return refusal.answer()
        call.ok = True
        return {"ok": True, **answer}

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
        if method.scope is not None:
            app.need(method.scope)
        return method

    def _sent(self, body: Json) -> web.Response:
        headers = {"x-oauth-scopes": ",".join(sorted(self._workspace.app.scopes))}
        return web.json_response(body, headers=headers)


async def _read(request: web.Request) -> tuple[Json, SlackError | None]:
    try:
        return await _given(request), None
    except SlackError as refusal:
        return {}, refusal


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
