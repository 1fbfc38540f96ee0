"""Listening sockets for IPv4 and IPv6, the same in both processes."""

import errno
import os
import socket


def open_listening_socket(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens on `host`, or on all IPv4 and IPv6 addresses for none or `::`.

    Raises `OSError` if the address cannot be bound.
    """
    if host in {"", "::"} and socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            # The kernel knows IPv6, but an administrator has switched it off.
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(address, family=family)


def describe_address_error(variable: str, value: object, error: OSError) -> str:
    """Return one line for an operator about an address that cannot be bound."""
    # Not `strerror`: the standard library adds a Python expression to it.
    reason = error.strerror if error.errno is None else os.strerror(error.errno)
    return f"{variable} must be a port that can be listened on, not '{value}' ({reason})"
