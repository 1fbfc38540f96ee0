"""Web API server: decodes a call, authorizes it, runs its method and records it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from fakeslack.delivery.faults import FaultInjector
from fakeslack.delivery.journal import Call, Journal
from fakeslack.errors import Json, SlackError
from fakeslack.state.limits import RateLimits
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.fault_injection import (
    rate_limit_response,
    respond_after_method,
    respond_before_method,
)
from fakeslack.web_api.method import Method

POSTING_METHODS = {"chat.postMessage", "chat.postEphemeral"}
COMMON_ARGUMENTS = {"team_id"}
"""Arguments that Slack's clients send to any method of an app for several workspaces."""
FORM_CONTENT_TYPES = {"application/x-www-form-urlencoded", "multipart/form-data"}


class WebApi:
    """All Web API methods; `rate_limits` is None if no limits apply."""

    def __init__(
        self,
        workspace: Workspace,
        methods: Mapping[str, Method],
        journal: Journal,
        fault_injector: FaultInjector,
        rate_limits: RateLimits | None = None,
    ) -> None:
        self.rate_limits = rate_limits
        self._workspace = workspace
        self._methods = methods
        self._journal = journal
        self._fault_injector = fault_injector

    async def handle_call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call and record it in the journal."""
        name = request.match_info["method"]
        self._workspace.base_url = f"{request.scheme}://{request.host}"
        arguments, parse_error = await _read_arguments(request)
        token = _take_token(request, arguments)
        call = self._journal.open_call(name, arguments)
        rule = self._fault_injector.match_rule(name, str(arguments.get("channel", "")))
        response = await respond_before_method(request, rule) if rule is not None else None
        if response is None:
            response = self._check_rate_limit(name, arguments)
        if response is None:
            body = self._run_method(call, token, arguments, parse_error)
            response = await respond_after_method(request, rule, body) if rule is not None else None
            response = response or self._json_response(body)
        call.fault = None if rule is None else rule.fault.value
        call.status = response.status
        call.retry_after = response.headers.get("Retry-After")
        self._journal.close_call(call)
        return response

    def _check_rate_limit(self, name: str, arguments: Json) -> web.Response | None:
        method = self._methods.get(name)
        if self.rate_limits is None or method is None:
            return None
        retry_after = self.rate_limits.acquire_call(name, method.tier)
        if retry_after is None and name in POSTING_METHODS:
            retry_after = self.rate_limits.acquire_post(str(arguments.get("channel", "")))
        return None if retry_after is None else rate_limit_response(retry_after)

    def _run_method(
        self, call: Call, token: str, arguments: Json, parse_error: SlackError | None
    ) -> Json:
        try:
            if parse_error is not None:
                raise parse_error
            method = self._authorize_call(call.method, token)
            call.unknown = sorted(set(arguments) - method.argument_names - COMMON_ARGUMENTS)
            answer = method.function(self._workspace, Arguments(arguments))
        except SlackError as refusal:
            call.error = refusal.error
            return refusal.to_response()
        call.ok = True
        return {"ok": True, **answer}

    def _authorize_call(self, name: str, token: str) -> Method:
        app = self._workspace.app
        method = self._methods.get(name)
        if method is None:
            raise SlackError("unknown_method", req_method=name)
        if not method.needs_token:
            return method
        if not token:
            raise SlackError("not_authed")
        if token not in {app.bot_token, app.app_token}:
            raise SlackError("invalid_auth")
        if app.is_revoked:
            raise SlackError("token_revoked")
        if method.app_level != (token == app.app_token):
            raise SlackError("not_allowed_token_type")
        if method.scope is not None:
            app.require_scope(method.scope)
        return method

    def _json_response(self, body: Json) -> web.Response:
        headers = {"x-oauth-scopes": ",".join(sorted(self._workspace.app.scopes))}
        return web.json_response(body, headers=headers)


async def _read_arguments(request: web.Request) -> tuple[Json, SlackError | None]:
    try:
        return await _parse_arguments(request), None
    except SlackError as refusal:
        return {}, refusal


async def _parse_arguments(request: web.Request) -> Json:
    # Like Slack, take no token from the address: a picture on any page could send it.
    arguments: dict[str, Any] = {n: v for n, v in request.query.items() if n != "token"}
    if request.method == "GET" or not request.can_read_body:
        return arguments
    if request.content_type == "application/json":
        return arguments | await _parse_json_body(request)
    if request.content_type in FORM_CONTENT_TYPES:
        form = await request.post()
        return arguments | {n: v for n, v in form.items() if isinstance(v, str)}
    raise SlackError("invalid_post_type")


async def _parse_json_body(request: web.Request) -> Json:
    if not (await request.read()).strip():
        return {}
    try:
        body = await request.json()
    except ValueError:
        raise SlackError("invalid_json") from None
    if not isinstance(body, dict):
        raise SlackError("json_not_object")
    return body


def _take_token(request: web.Request, arguments: Json) -> str:
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    form_token = str(arguments.pop("token", "") or "")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return "" if request.content_type == "application/json" else form_token
