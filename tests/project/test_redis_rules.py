"""The queue's server as compose starts it: its configuration and what its two users may do."""

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import redis

from contract import keys, scripts
from demo.conversation import Page
from scripts import credentials
from tests.support.checkpoints import taught_checkpoint
from tests.support.processes import Process
from tests.support.redis import binary
from tests.support.taught import MUTEX
from tests.support.workspace import Workspace

REPOSITORY: Final = Path(__file__).parents[2]
QUEUE: Final = "rq:queue:starchat"
DEFERRED: Final = "rq:deferred:starchat"
Clients = dict[str, "redis.Redis"]


@pytest.fixture
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """The bot and the worker, connected to a server that runs our configuration and rules."""
    home = tmp_path_factory.mktemp("r")
    credentials.main(home)
    with (home / "secrets" / "users.acl").open("a", encoding="utf-8") as rules:
        rules.write("user watcher on nopass +acl|log\n")
    options = {"--unixsocket": home / "s", "--dir": home, "--aclfile": home / "secrets/users.acl"}
    conf = REPOSITORY / "deploy" / "redis.conf"
    text = re.sub(r"^(dir|aclfile) .*\n", "", conf.read_text("utf-8"), flags=re.MULTILINE)
    (home / "redis.conf").write_text(text, "utf-8")
    server = subprocess.Popen(
        [
            binary(),
            home / "redis.conf",
            "--port",
            "0",
            *(str(x) for o in options.items() for x in o),
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    ready = any("eady to accept" in line for line in server.stdout)
    found = {name: _client(home, name) for name in credentials.PEOPLE}
    try:
        assert ready
        yield found
    finally:
        for client in found.values():
            client.close()
        server.terminate()
        server.communicate(timeout=30)


def _client(home: Path, name: str) -> "redis.Redis":
    url = (home / "secrets" / f"redis_url_{name}").read_text("utf-8")
    user, password = re.findall(r"//(\w+):(.+)@", url)[0]
    return redis.Redis(unix_socket_path=str(home / "s"), username=user, password=password)


def _accept(client: "redis.Redis", ts: str) -> list[object]:
    job = f"T1-C1-{ts}"
    names = (
        keys.seen("T1", "C1", ts),
        keys.gesture("T1", ts),
        keys.PENDING,
        keys.lane("T1", "C1", "1.0"),
        keys.person("T1", "U1"),
        f"rq:job:{job}",
        QUEUE,
        DEFERRED,
        "rq:queues",
    )
    arguments = (job, "60", "9", "9", "1", "60", "data", "{}")
    found: list[object] = client.eval(scripts.ACCEPT, len(names), *names, *arguments)
    return found


def test_a_turn_passes_from_the_bot_to_the_worker(clients: Clients) -> None:
    """The rules allow everything that both processes need for a job's whole way."""
    bot, worker = clients["bot"], clients["worker"]

    assert _accept(bot, "1-1")[0] == b"accepted"
    assert _accept(bot, "1-2")[0] == b"accepted"
    assert worker.blmove(QUEUE, f"{QUEUE}:intermediate", 1, "LEFT", "RIGHT") == b"T1-C1-1-1"
    worker.hset(keys.WORKERS, "w", "{}")
    worker.set(keys.lease("T1-C1-1-1"), "x", nx=True, px=1000)
    names = (keys.PENDING, "rq:job:T1-C1-1-1", QUEUE, DEFERRED)
    assert worker.eval(scripts.FINISH, len(names), *names, "T1-C1-1-1", "rq:job:", "60") == 1
    assert worker.lrange(QUEUE, 0, -1) == [b"T1-C1-1-2"]
    for client in clients.values():
        assert client.hgetall(keys.WORKERS) == {b"w": b"{}"}
        assert client.ping()
        assert abs(client.time()[0] - time.time()) < 60


@pytest.mark.timeout(300)
def test_a_question_is_answered_under_these_rules(clients: Clients) -> None:
    """Bot and worker do all that they do for a reply, and nothing that the rules refuse."""
    path = clients["bot"].connection_pool.connection_kwargs["path"]
    words = {n: c.connection_pool.connection_kwargs["password"] for n, c in clients.items()}
    urls = {name: f"unix://{name}:{word}@{path}" for name, word in words.items()}
    model = {"STARCHAT_MODEL": str(taught_checkpoint()), "STARCHAT_TEMPERATURE": "0"}
    with (
        Workspace() as slack,
        Process("bot", REDIS_URL=urls["bot"], **slack.environment),
        Process("worker", REDIS_URL=urls["worker"], **slack.environment, **model) as worker,
    ):
        slack.wait_connected()
        worker.wait_for("model loaded", within=120)
        *_, reply = Page(slack.url).ask(MUTEX)
    watcher = redis.Redis(unix_socket_path=path, username="watcher", password="")
    with watcher:
        refused = watcher.acl_log()

    assert reply.state == "final"
    assert refused == []


def test_the_worker_may_listen_for_commands(clients: Clients) -> None:
    """RQ's stop command reaches a worker by its own channel, and the bot may send it."""
    with clients["worker"].pubsub() as channel:  # type: ignore[no-untyped-call]
        channel.subscribe("rq:pubsub:w")
        assert channel.get_message(timeout=5)
        assert clients["bot"].publish("rq:pubsub:w", "{}") == 1


@pytest.mark.parametrize("person", credentials.PEOPLE)
@pytest.mark.parametrize(
    "command",
    ["CONFIG GET *", "FLUSHALL", "SHUTDOWN", "KEYS *", "ACL LIST", "GET other", "SET other 1"],
)
def test_what_neither_process_needs_is_refused(clients: Clients, person: str, command: str) -> None:
    """A stolen password configures nothing, empties nothing and sees no foreign key."""
    with pytest.raises(redis.exceptions.NoPermissionError):
        clients[person].execute_command(*command.split())  # type: ignore[no-untyped-call]


def test_nobody_enters_without_a_password(clients: Clients) -> None:
    """The default user is off."""
    path = clients["bot"].connection_pool.connection_kwargs["path"]
    stranger = redis.Redis(unix_socket_path=path)
    with stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


def test_nothing_is_evicted_and_everything_is_on_disk() -> None:
    """The configuration promises what the acknowledgement to Slack rests on."""
    conf = dict(
        line.split(" ", 1)
        for line in (REPOSITORY / "deploy" / "redis.conf").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )

    assert conf["appendonly"] == "yes"
    assert conf["appendfsync"] == "always"
    assert conf["maxmemory-policy"] == "noeviction"


def test_credentials_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    """A second run changes nothing; only the file of hashes may be read by others."""
    credentials.main(tmp_path)
    folder = tmp_path / "secrets"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    credentials.main(tmp_path)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    open_ones = {path.name for path in folder.iterdir() if path.stat().st_mode & 0o077}
    assert open_ones == {"users.acl"}
    password = re.findall(r":([^:@]+)@", before["redis_url_bot"].decode())[0]
    assert password.encode() not in before["users.acl"]
