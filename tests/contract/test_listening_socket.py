"""Listening sockets, on systems with and without IPv6."""

import errno
import socket
from typing import Any

import pytest

from contract.listening_socket import open_listening_socket


def refuse_ipv6(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Let the system refuse to bind an IPv6 address."""
    create_server = socket.create_server

    def create_ipv4_server(address: Any, **options: Any) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(code, "refused")
        return create_server(address, **options)

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", create_ipv4_server)


def test_ipv4_is_used_where_ipv6_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel knows IPv6 then, but no address of it can be bound."""
    refuse_ipv6(monkeypatch, errno.EADDRNOTAVAIL)
    with open_listening_socket("", 0) as listening:
        assert listening.family == socket.AF_INET


def test_other_errors_of_ipv6_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A taken port is no reason to listen on half of the addresses."""
    refuse_ipv6(monkeypatch, errno.EADDRINUSE)
    with pytest.raises(OSError, match="refused"):
        open_listening_socket("", 0)


def test_one_address_is_bound_alone() -> None:
    """Other addresses of the machine do not answer."""
    with open_listening_socket("127.0.0.1", 0) as listening:
        assert listening.getsockname()[0] == "127.0.0.1"
