"""
Checks of addresses that only a library would parse, and then at its first use.

The functions raise `ValueError`, whose message quotes nothing: an address may hold a password.
"""

import ipaddress
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

REDIS_URL_PREFIXES: Final = ("redis://", "rediss://", "unix://")
"""Schemes that redis-py supports."""
HTTP_URL_PREFIXES: Final = ("http://", "https://")
FILE_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})
"""Options of a Redis address that name a file or a directory."""


def check_redis_url(url: str) -> None:
    """Raise `ValueError` for an address that redis-py would misread, or refuse later."""
    parts = _split_url(url, REDIS_URL_PREFIXES)
    if parts.fragment or "#" in url or "@" in parts.path + parts.query:
        raise ValueError("has an unescaped sign in its password")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError("has no path")
    else:
        database = parts.path.removeprefix("/").removesuffix("/")
        if database and not (database.isascii() and database.isdigit()):
            raise ValueError("has something other than a database number as its path")
        _check_host(parts, is_required=bool(parts.netloc))
    for option, value in parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True):
        if option in FILE_OPTIONS and not Path(value).exists():
            raise ValueError("names a file that does not exist")


def check_http_url(url: str, prefixes: tuple[str, ...] = HTTP_URL_PREFIXES) -> None:
    """Raise `ValueError` for an address that no HTTP client can call."""
    parts = _split_url(url, prefixes)
    if parts.fragment or parts.query or "#" in url or "?" in url:
        raise ValueError("has a query or a fragment")
    _check_host(parts, is_required=True)


def normalize_ip_address(host: str) -> str:
    """Return an IPv4 or IPv6 address without brackets. Raises `ValueError` for anything else."""
    bare = host.strip().removeprefix("[").removesuffix("]")
    return str(ipaddress.ip_address(bare))


def _split_url(url: str, prefixes: tuple[str, ...]) -> SplitResult:
    # The standard library removes control characters without a word.
    if not url.isprintable() or not url.startswith(prefixes):
        raise ValueError("does not start with an accepted prefix")
    url.encode("utf-8")
    return urlsplit(url)


def _check_host(parts: SplitResult, *, is_required: bool) -> None:
    """Check host and port; reading a port raises `ValueError` if it is none."""
    _ = parts.port
    if not parts.hostname:
        if is_required:
            raise ValueError("has no host")
        return
    if " " in parts.netloc:
        raise ValueError("has a space")
    parts.hostname.encode("idna")
