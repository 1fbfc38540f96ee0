"""HTTP server: serves requests quickly despite slow and hostile clients."""

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from bot.slack.http_server import SERVER_THREADS, HttpServer, Request, Response


def echo_request(request: Request) -> Response:
    """Say what came in."""
    return Response(
        200, request.body or request.method.encode(), {"X-Seen": request.headers["host"]}
    )


def raise_error(_: Request) -> Response:
    """Break."""
    raise ValueError("a secret")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Serve two paths on a free port."""
    running = HttpServer(0, {"/echo": echo_request, "/fails": raise_error}, host="127.0.0.1")
    running.start_thread()
    yield running
    running.close_server()


def request_path(server: HttpServer, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Make a request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET" if body is None else "POST", path, body)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_request_is_routed_by_path(server: HttpServer) -> None:
    """The query is not part of the path; unknown paths get 404."""
    assert request_path(server, "/echo") == (200, b"GET")
    assert request_path(server, "/echo?x=1", b"body") == (200, b"body")
    assert request_path(server, "/other")[0] == 404
    assert server.is_serving()


def test_failing_route_gives_500_without_details(server: HttpServer) -> None:
    """The response has no details of the error."""
    assert request_path(server, "/fails") == (500, b"")
    assert request_path(server, "/echo")[0] == 200


def test_truncated_body_is_refused(server: HttpServer) -> None:
    """A body that is shorter than its length gets 400."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"POST /echo HTTP/1.0\r\nContent-Length: 10\r\n\r\nhalf")
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(1000).split(b"\r\n")[0]


def test_silent_clients_do_not_block_others(server: HttpServer) -> None:
    """A request is served while another thread waits for a silent client."""
    silent = [
        socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(SERVER_THREADS - 1)
    ]
    try:
        assert request_path(server, "/echo")[0] == 200
    finally:
        for client in silent:
            client.close()


def test_excess_connections_are_closed(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections beyond the limit are closed at once."""
    taken = 0
    while server._http._free_places.acquire(blocking=False):
        taken += 1
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        assert client.recv(10) == b""
    for _ in range(taken):
        server._http._free_places.release()

    assert request_path(server, "/echo")[0] == 200


def test_client_that_disconnects_early_is_harmless() -> None:
    """A client that disconnects before the response frees its thread."""
    gone, came = threading.Event(), threading.Event()

    def slow(_: Request) -> Response:
        came.set()
        gone.wait(5)
        return Response(200, b"x" * 10_000_000)

    running = HttpServer(0, {"/slow": slow}, host="127.0.0.1")
    running.start_thread()
    client = socket.create_connection(("127.0.0.1", running.port), 10)
    client.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
    came.wait(5)
    client.close()
    gone.set()
    running.close_server()

    assert not running.is_serving()


def test_close_waits_for_requests_in_progress() -> None:
    """A request in progress gets its response before the server closes."""
    came, go = threading.Event(), threading.Event()

    def slow(_: Request) -> Response:
        came.set()
        go.wait(5)
        return Response(200, b"done")

    running = HttpServer(0, {"/slow": slow}, host="127.0.0.1")
    running.start_thread()
    found: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: found.append(request_path(running, "/slow")))
    asking.start()
    came.wait(5)
    closing = threading.Thread(target=running.close_server)
    closing.start()
    go.set()
    closing.join(10)
    asking.join(10)

    assert found == [(200, b"done")]


def test_unstarted_server_can_be_closed() -> None:
    """The port is free afterwards."""
    HttpServer(0, {}, host="127.0.0.1").close_server()
