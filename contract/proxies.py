"""
Proxy rules: the same for every connection of both processes to Slack.

The HTTP libraries read the variables in different ways, and some of them ignore `NO_PROXY`. Each
client is therefore given its proxy, by the address that it calls.
"""

import ipaddress
import os
import re
from base64 import b64encode
from typing import Final
from urllib.parse import unquote, urlsplit

PROXY_VARIABLES: Final = {
    "http": ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"),
    "https": ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"),
    "wss": ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"),
}
"""Variables by the scheme of the called address; the first that is set counts."""
HTTP_PORT: Final = 80
HTTPS_PORT: Final = 443
NO_PROXY_VARIABLES: Final = ("NO_PROXY", "no_proxy")


def find_proxy(url: str) -> str | None:
    """
    Return the proxy for an address, or `None` for a direct connection.

    An unencrypted socket (`ws://`) is always direct: only a local workspace has one.
    """
    parts = urlsplit(url)
    proxy = _read_first(PROXY_VARIABLES.get(parts.scheme, ()))
    port = parts.port or (HTTP_PORT if parts.scheme == "http" else HTTPS_PORT)
    return None if proxy is None or _is_excluded(parts.hostname or "", port) else proxy


def split_credentials(proxy: str) -> tuple[str, dict[str, str]]:
    """Return a proxy's address without its user and password, and the header that has them."""
    parts = urlsplit(proxy)
    credentials, _, host = parts.netloc.rpartition("@")
    if not credentials:
        return proxy, {}
    encoded = b64encode(unquote(credentials).encode()).decode()
    address = parts._replace(netloc=host).geturl()
    return address, {"Proxy-Authorization": f"Basic {encoded}"}


def _read_first(variables: tuple[str, ...]) -> str | None:
    values = (os.environ.get(variable, "").strip() for variable in variables)
    return next((value for value in values if value), None)


def _is_excluded(host: str, port: int) -> bool:
    entries = re.split(r"[\s,]+", _read_first(NO_PROXY_VARIABLES) or "")
    return any(_matches_entry(host, port, entry.lower()) for entry in entries)


def _matches_entry(host: str, port: int, entry: str) -> bool:
    """Whether an entry of `NO_PROXY` names the host: a name, a domain, a network, or `*`."""
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, _, entry_port = entry.partition(":")
    domain = name.lstrip("*.")
    is_host = entry == "*" or (domain and f".{host}".endswith(f".{domain}"))
    return bool(is_host) and entry_port in {"", str(port)}
