"""The queue's server as compose starts it: its configuration and the ACL of its two users."""

import re
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from contract import keys, scripts
from scripts import credentials
from testing.redis_server import GuardedRedis, find_embedded_server, find_server

REPOSITORY: Final = Path(__file__).parents[2]
QUEUE: Final = "rq:queue:starchat"
DEFERRED: Final = "rq:deferred:starchat"
Clients = dict[str, "redis.Redis"]
REFUSAL_PATTERN: Final = "(?i)no permission|ACL failure|can't run this command|command not allowed"
FORBIDDEN: Final = (
    *("CONFIG GET *", "CONFIG SET dir /tmp", "FLUSHALL", "FLUSHDB", "SHUTDOWN", "SAVE", "BGSAVE"),
    *("KEYS *", "ACL LIST", "ACL SETUSER bot ~*", "MODULE LIST", "REPLICAOF NO ONE", "MONITOR"),
    *("DEBUG SLEEP 0", "SWAPDB 0 1", "CLIENT KILL ID 1", "GET other", "SET other 1"),
    *(
        "EVAL \"return redis.call('GET', KEYS[1])\" 1 other",
        "EVAL \"return redis.call('KEYS', '*')\" 0",
    ),
)


@pytest.fixture(scope="module")
def server() -> Iterator[GuardedRedis]:
    """A server with the deployed configuration and ACL."""
    with GuardedRedis() as server:
        yield server


@pytest.fixture
def clients(server: GuardedRedis) -> Iterator[Clients]:
    """The bot and the worker, connected to an empty server."""
    with server.connect_as() as watcher:
        watcher.flushall()
    found = {name: server.connect_as(name) for name in credentials.ACL_USERS}
    yield found
    for client in found.values():
        client.close()


def _enqueue_job(client: "redis.Redis", ts: str) -> list[object]:
    job = f"T1-C1-{ts}"
    names = (
        keys.idempotency_key("T1", "C1", ts),
        keys.client_msg_id("T1", ts),
        keys.PENDING_JOBS,
        keys.thread_queue("T1", "C1", "1.0"),
        keys.user_quota("T1", "U1"),
        f"rq:job:{job}",
        QUEUE,
        DEFERRED,
        "rq:queues",
        keys.inbox("T1"),
        keys.user_usage("T1", "U1"),
        keys.channel_usage("T1", "C1"),
        keys.team_usage("T1"),
        keys.channel_jobs("T1", "C1"),
    )
    arguments = (
        job,
        "60",
        "9",
        "9",
        "1",
        "60",
        ts.replace("-", "."),
        "0",
        "900000",
        "900000",
        "data",
        "{}",
    )
    found: list[object] = client.eval(scripts.ACCEPT, len(names), *names, *arguments)
    return found


def test_acl_allows_a_job_from_bot_to_worker(clients: Clients) -> None:
    """The ACL allows all commands of both processes in a job's life."""
    bot, worker = clients["bot"], clients["worker"]

    assert _enqueue_job(bot, "1-1")[0] == b"accepted"
    assert _enqueue_job(bot, "1-2")[0] == b"accepted"
    assert worker.blmove(QUEUE, f"{QUEUE}:intermediate", 1, "LEFT", "RIGHT") == b"T1-C1-1-1"
    worker.hset(keys.WORKER_STATUSES, "w", "{}")
    worker.set(keys.job_lease("T1-C1-1-1"), "x", nx=True, px=1000)
    names = (keys.PENDING_JOBS, "rq:job:T1-C1-1-1", QUEUE, DEFERRED)
    assert worker.eval(scripts.FINISH, len(names), *names, "T1-C1-1-1", "rq:job:", "60") == 1
    assert worker.lrange(QUEUE, 0, -1) == [b"T1-C1-1-2"]
    for client in clients.values():
        assert client.hgetall(keys.WORKER_STATUSES) == {b"w": b"{}"}
        assert client.ping()
        assert abs(client.time()[0] - time.time()) < 60


def test_acl_lets_the_bot_alone_rewrite_the_log(clients: Clients) -> None:
    """The append-only file holds the text of an uninstalled team until it is rewritten."""
    assert clients["bot"].bgrewriteaof()
    with pytest.raises(redis.exceptions.NoPermissionError):
        clients["worker"].bgrewriteaof()


def test_acl_allows_rq_commands(clients: Clients) -> None:
    """The bot may publish RQ's stop command on a worker's channel."""
    with clients["worker"].pubsub() as channel:  # type: ignore[no-untyped-call]
        channel.subscribe("rq:pubsub:w")
        assert channel.get_message(timeout=5)
        assert clients["bot"].publish("rq:pubsub:w", "{}") == 1


@pytest.mark.parametrize("user", credentials.ACL_USERS)
@pytest.mark.parametrize("command", FORBIDDEN)
def test_acl_refuses_unneeded_commands(clients: Clients, user: str, command: str) -> None:
    """A stolen password cannot configure or empty the server, or read other keys."""
    with pytest.raises(redis.exceptions.ResponseError, match=REFUSAL_PATTERN):
        clients[user].execute_command(*shlex.split(command))  # type: ignore[no-untyped-call]


def test_acl_log_reports_refused_commands(server: GuardedRedis, clients: Clients) -> None:
    """The end-to-end tests depend on this: the server reports every refused command."""
    with server.connect_as() as watcher:
        watcher.acl_log_reset()
    assert server.list_denials() == []

    with pytest.raises(redis.exceptions.NoPermissionError):
        clients["worker"].execute_command("KEYS", "*")  # type: ignore[no-untyped-call]
    [entry] = server.list_denials()
    assert (entry["username"], entry["object"]) == ("worker", "keys")


@pytest.mark.parametrize("given", ["", ":x@", "default:x@", "default:@"])
def test_login_without_password_is_refused(server: GuardedRedis, given: str) -> None:
    """The default user is disabled."""
    once = Retry(NoBackoff(), 0)
    stranger = redis.Redis.from_url(f"unix://{given}{server.socket}", retry=once)
    with stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


@pytest.mark.parametrize("find", [find_server, find_embedded_server])
def test_accepted_question_survives_restart(find: Callable[[], Path]) -> None:
    """
    Writes of scripts survive a crash, and the server refuses none of them while it loads.

    Redis 7.0 replays its file as the default user, which cannot log in but has all permissions.
    """
    with GuardedRedis(find()) as server:
        with server.connect_as("bot") as bot:
            assert _enqueue_job(bot, "1-1")[0] == b"accepted"
        with server.connect_as() as watcher:
            before = {key: watcher.dump(key) for key in watcher.scan_iter()}
        server.kill_server()
        server.restart_server()
        with server.connect_as() as watcher:
            assert {key: watcher.dump(key) for key in watcher.scan_iter()} == before
        assert server.list_denials() == []


def test_redis_config_persists_and_never_evicts() -> None:
    """The configuration provides the durability that acknowledgements to Slack depend on."""
    conf = dict(
        line.split(" ", 1)
        for line in (REPOSITORY / "deploy" / "redis.conf").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )

    assert conf["appendonly"] == "yes"
    assert conf["appendfsync"] == "always"
    assert conf["maxmemory-policy"] == "noeviction"


def test_credentials_are_created_once_and_private(tmp_path: Path) -> None:
    """A second run changes nothing; only the file of hashes is readable by others."""
    credentials.main(tmp_path)
    folder = tmp_path / "secrets"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    credentials.main(tmp_path)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    readable = {path.name for path in folder.iterdir() if path.stat().st_mode & 0o077}
    assert readable == {"users.acl"}
    password = re.findall(r":([^:@]+)@", before["redis_url_bot"].decode())[0]
    assert password.encode() not in before["users.acl"]
