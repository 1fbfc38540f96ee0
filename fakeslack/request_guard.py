"""
Request guard: refuses what another site's page can send to this server through a browser.

- `Host` must be a loopback address or a configured name, which stops DNS rebinding.
- `Origin` and `Sec-Fetch-Site` must name this server, which stops cross-site requests.
- The control routes and the page's POST requests also need the token of this start.
"""

import re
import secrets
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from fakeslack.json_requests import Handler

TOKEN_HEADER: Final = "X-Fakeslack-Token"  # noqa: S105  a name, no secret
CONTROL_PREFIX: Final = "/_control/"
PAGE_PREFIX: Final = "/_page/"
HOST_PATTERN: Final = re.compile(r"(\[[0-9a-f:]+\]|[0-9a-z._-]+)(:[0-9]{1,5})?", re.ASCII)
OWN_FETCH_SITES: Final = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of the page's own requests and of an address that a person typed."""
RESPONSE_HEADERS: Final = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response: no other site may frame the page or embed its files."""
FORBIDDEN_HOST: Final = (
    "This workspace answers only under a loopback address such as http://127.0.0.1:8065.\n"
    "To allow another name, start it with --allow-host NAME.\n"
)


class RequestGuard:
    """The rules of one server; `token` is random for each start."""

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        """Accept `allowed_hosts` besides loopback addresses."""
        self._allowed_hosts = {"localhost", *(name.lower() for name in allowed_hosts)}
        self.token = secrets.token_urlsafe(24)

    @web.middleware
    async def check_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a forbidden request with status 403, and pass any other on."""
        host = self._find_host(request)
        if host is None:
            return web.Response(status=403, text=FORBIDDEN_HOST)
        if not _is_same_origin(request, host):
            return _refuse("forbidden_origin")
        if _needs_token(request) and not self._has_token(request):
            return _refuse("invalid_page_token")
        return await handler(request)

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that protect a response from other sites."""
        response.headers.update(RESPONSE_HEADERS)

    def _find_host(self, request: web.Request) -> str | None:
        """Return the lower-case `Host` with its port, `None` if it is missing or not allowed."""
        found = request.headers.getall("Host", [])
        host = found[0].lower() if len(found) == 1 else ""
        match = HOST_PATTERN.fullmatch(host)
        if match is None:
            return None
        name = match.group(1)
        return host if name in self._allowed_hosts or _is_loopback(name) else None

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return secrets.compare_digest(given.encode(errors="surrogateescape"), self.token.encode())


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_same_origin(request: web.Request, host: str) -> bool:
    """Whether no other site's page has sent a request. Browsers set both headers, scripts can't."""
    origins = request.headers.getall("Origin", [])
    if any(origin.lower() not in {f"http://{host}", f"https://{host}"} for origin in origins):
        return False
    sites = request.headers.getall("Sec-Fetch-Site", [])
    return set(sites) <= OWN_FETCH_SITES or _is_link_to_page(request)


def _is_link_to_page(request: web.Request) -> bool:
    """Whether a person follows another page's link to the workspace."""
    mode = request.headers.get("Sec-Fetch-Mode")
    destination = request.headers.get("Sec-Fetch-Dest")
    is_navigation = (mode, destination) == ("navigate", "document")
    return is_navigation and request.method == "GET" and request.path == "/"


def _needs_token(request: web.Request) -> bool:
    if request.path.startswith(CONTROL_PREFIX):
        return True
    return request.path.startswith(PAGE_PREFIX) and request.method != "GET"


def _refuse(error: str) -> web.Response:
    return web.json_response({"ok": False, "error": error}, status=403)
