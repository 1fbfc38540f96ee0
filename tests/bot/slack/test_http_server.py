"""The small server answers quickly, and no client can hold it up."""

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


def test_a_request_is_answered_by_its_path(server: HttpServer) -> None:
    """Paths are looked up without their query; others are not found."""
    assert request_path(server, "/echo") == (200, b"GET")
    assert request_path(server, "/echo?x=1", b"body") == (200, b"body")
    assert request_path(server, "/other")[0] == 404
    assert server.is_serving()


def test_a_route_that_breaks_tells_nobody_why(server: HttpServer) -> None:
    """An error is a status without a word about the inside."""
    assert request_path(server, "/fails") == (500, b"")
    assert request_path(server, "/echo")[0] == 200


def test_a_body_that_ends_early_is_refused(server: HttpServer) -> None:
    """Half a request is not acted upon."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(b"POST /echo HTTP/1.0\r\nContent-Length: 10\r\n\r\nhalf")
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(1000).split(b"\r\n")[0]


def test_silent_clients_do_not_keep_others_waiting(server: HttpServer) -> None:
    """As long as one thread is free the next request is answered."""
    silent = [
        socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(SERVER_THREADS - 1)
    ]
    try:
        assert request_path(server, "/echo")[0] == 200
    finally:
        for client in silent:
            client.close()


def test_more_connections_than_there_is_room_for_are_closed(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood is turned away at the door instead of filling the memory."""
    taken = 0
    while server._http._free_places.acquire(blocking=False):
        taken += 1
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        assert client.recv(10) == b""
    for _ in range(taken):
        server._http._free_places.release()

    assert request_path(server, "/echo")[0] == 200


def test_a_client_that_leaves_before_its_answer_is_no_trouble() -> None:
    """A client that hangs up while its request is dealt with costs nothing."""
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


def test_closing_waits_for_requests_that_are_answered() -> None:
    """A request that was taken is answered before the end."""
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


def test_a_server_that_never_started_can_be_closed() -> None:
    """The port is given back whatever happened before."""
    HttpServer(0, {}, host="127.0.0.1").close_server()
