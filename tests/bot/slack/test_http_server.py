"""HTTP server: serves requests quickly despite slow and hostile clients."""

import http.client
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from bot.slack.http_server import LIMITS, MAX_REQUESTS_PER_THREAD, HttpServer, Request, Response


def echo_request(request: Request) -> Response:
    """Say what came in."""
    return Response(
        200, request.body or request.method.encode(), {"X-Seen": request.headers["host"]}
    )


def answer_json(_: Request) -> Response:
    """Answer as Bolt does, which writes its header names in lower case."""
    return Response(200, b"{}", {"content-type": "application/json;charset=utf-8"})


def raise_error(_: Request) -> Response:
    """Break."""
    raise ValueError("a secret")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Serve three paths on a free port."""
    routes = {"/echo": echo_request, "/json": answer_json, "/fails": raise_error}
    running = HttpServer(0, routes, host="127.0.0.1")
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


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/echo", "text/plain; charset=utf-8"), ("/json", "application/json;charset=utf-8")],
)
def test_response_has_one_content_type(server: HttpServer, path: str, content_type: str) -> None:
    """That of the route replaces the server's, in any case."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().headers.get_all("Content-Type") == [content_type]
    connection.close()


def test_failing_route_gives_500_without_details(server: HttpServer) -> None:
    """The response has no details of the error."""
    assert request_path(server, "/fails") == (500, b"")
    assert request_path(server, "/echo")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        b"GET /echo HTTP/1.1\r\nHost: x\r\nX: half",
        b"",
    ],
    ids=["body", "headers", "nothing"],
)
def test_truncated_request_has_no_effect(server: HttpServer, sent: bytes) -> None:
    """The connection of a client that stops halfway is closed."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1000) == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (
            b"POST /echo HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            400,
        ),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"GET /echo HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nHost: x\r\n" + b"X: x\r\n" * 1000 + b"\r\n", 400),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"DELETE /echo HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else str(value),
)
def test_malformed_request_is_refused(server: HttpServer, sent: bytes, status: int) -> None:
    """The response is an error, and the server serves on."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as client:
        client.sendall(sent)
        assert f" {status} ".encode() in client.recv(1000).split(b"\r\n")[0]
    assert request_path(server, "/echo")[0] == 200


def test_silent_clients_do_not_block_others(server: HttpServer) -> None:
    """Of more connections than the limit, the oldest are closed and a new one is served."""
    silent = [
        socket.create_connection(("127.0.0.1", server.port), 10)
        for _ in range(LIMITS.connections + 1)
    ]
    try:
        assert request_path(server, "/echo")[0] == 200
        assert silent[0].recv(1) == b""
    finally:
        for client in silent:
            client.close()


def test_busy_path_gives_503_and_delays_no_other() -> None:
    """A path whose threads all wait answers 503 at once; other paths have their own threads."""
    go = threading.Event()

    def wait(_: Request) -> Response:
        go.wait(10)
        return Response(200)

    running = HttpServer(
        0, {"/slow": wait, "/echo": echo_request}, host="127.0.0.1", threads_per_route=1
    )
    running.start_thread()
    clients = [
        socket.create_connection(("127.0.0.1", running.port), 10)
        for _ in range(MAX_REQUESTS_PER_THREAD + 1)
    ]
    for client in clients:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    ready, _, _ = select.select(clients, [], [], 10)
    refused = ready[0].recv(1000).split(b"\r\n")[0]
    other = request_path(running, "/echo")[0]
    go.set()
    for client in clients:
        client.close()
    running.close_server()

    assert b" 503 " in refused
    assert other == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_server_listens_on_ipv4_and_ipv6() -> None:
    """Without a host, both loopback addresses reach it."""
    running = HttpServer(0, {"/echo": echo_request})
    running.start_thread()
    try:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, running.port), 10) as client:
                client.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
                assert b" 200 " in client.recv(1000).split(b"\r\n")[0]
    finally:
        running.close_server()


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
