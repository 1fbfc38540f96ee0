"""Keys of a wrong type: set aside with their data; the work that met them continues."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from bot.messages.admission import ThreadMode
from bot.store.client import connect_redis
from bot.store.job_queue import JobQueue
from bot.store.purge import Purge
from bot.store.thread_modes import ThreadModes
from contract import keys
from contract.job import Thread
from contract.scripts import TAKE_TOKEN
from contract.slack_budget import Priority, acquire_arguments, find_buckets
from testing.prepared_queue import PreparedQueue
from testing.queue_inspector import make_job
from testing.redis_server import RedisServer
from worker.jobs.leases import GLOBAL_KEYS, LeaseManager
from worker.jobs.rq_worker import RqWorker

SET_ASIDE_NAMES = "starchat:set_aside"
WRITERS: dict[str, Callable[[Redis, str], Any]] = {
    "string": lambda redis, key: redis.set(key, "poison"),
    "list": lambda redis, key: redis.rpush(key, "poison"),
    "set": lambda redis, key: redis.sadd(key, "poison"),
    "hash": lambda redis, key: redis.hset(key, "poison", "1"),
    "zset": lambda redis, key: redis.zadd(key, {"poison": 1}),
    "stream": lambda redis, key: redis.xadd(key, {"poison": "1"}),
}
READERS: dict[str, Callable[[Redis, str], Any]] = {
    "string": lambda redis, key: redis.get(key),
    "list": lambda redis, key: redis.lrange(key, 0, -1),
    "set": lambda redis, key: redis.smembers(key),
    "hash": lambda redis, key: redis.hgetall(key),
    "zset": lambda redis, key: redis.zrange(key, 0, -1),
}
JOB = make_job(1)
TEAM, CHANNEL, THREAD = JOB.thread.team, JOB.thread.channel, JOB.thread.ts
QUOTA = keys.user_quota(TEAM, JOB.user)
QUEUE_KEYS = (
    *GLOBAL_KEYS,
    keys.idempotency_key(TEAM, CHANNEL, JOB.ts),
    keys.thread_queue(TEAM, CHANNEL, THREAD),
    *(f"{QUOTA}:pending", f"{QUOTA}:running", f"{QUOTA}:waiting"),
    keys.job_lease(JOB.id),
    keys.inbox(TEAM),
)
READ_KEYS = {
    keys.thread_mode(TEAM, CHANNEL, THREAD): "string",
    keys.thread_joined(TEAM, CHANNEL, THREAD): "string",
    keys.user_profile(TEAM, JOB.user): "string",
    keys.thread_cache(TEAM, CHANNEL, THREAD): "hash",
    keys.answer_cache(TEAM, CHANNEL, THREAD): "hash",
    keys.file_cache(TEAM, CHANNEL, THREAD): "hash",
    keys.connection_window(TEAM): "hash",
    keys.text_sizes(TEAM): "hash",
    keys.pending_notice(TEAM, CHANNEL, THREAD): "hash",
    keys.personal_notice(TEAM, CHANNEL, JOB.user): "hash",
    keys.thread_people(TEAM, CHANNEL, THREAD): "set",
    keys.text_index(TEAM): "zset",
    keys.notice_schedule(TEAM): "zset",
    keys.inbox(TEAM): "zset",
    keys.stop_schedule(TEAM): "zset",
    keys.pending_ask(TEAM, "V1"): "hash",
    keys.ask_schedule(TEAM): "zset",
    keys.deletion_schedule(TEAM): "zset",
    keys.user_questions(TEAM, JOB.user): "zset",
    keys.channel_questions(TEAM, CHANNEL): "zset",
    keys.language_choices(TEAM): "hash",
    f"{keys.user_usage(TEAM, JOB.user)}:20787": "hash",
    keys.session_schedule(TEAM): "zset",
    keys.PENDING_JOBS: "zset",
    keys.WORKER_STATUSES: "hash",
    keys.thread_queue(TEAM, CHANNEL, THREAD): "list",
}


@pytest.fixture
def client(server: RedisServer) -> Redis:
    """The bot's client, on an empty server."""
    client = connect_redis(server.url)
    client.flushall()
    return client


def plant_key(client: Redis, key: str, kind: str) -> bool:
    """Write a key of a type; return whether it is a wrong one for Redis' commands."""
    WRITERS[kind](client, key)
    return bool(client.type(key) == kind.encode())


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("key", QUEUE_KEYS)
def test_question_is_accepted_and_claimed_beside_a_wrong_key(
    client: Redis, key: str, kind: str
) -> None:
    """The queue works at the next look, and the former data is kept under another name."""
    assert plant_key(client, key, kind)
    leases = LeaseManager(client, 30.0, "w1")
    leases.set_aside_keys()
    worker = RqWorker(client, "w1", leases, 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    is_marker = key == keys.idempotency_key(TEAM, CHANNEL, JOB.ts) and kind == "string"
    assert PreparedQueue(client).enqueue(JOB).outcome == ("duplicate" if is_marker else "accepted")
    if not is_marker and not (key == keys.job_lease(JOB.id) and kind == "string"):
        taken = [worker.dequeue_job_id() for _ in range(client.llen("rq:queue:starchat"))]
        contexts = [worker.claim_job(str(job)) for job in taken]
        assert [context.job for context in contexts if context] == [JOB]
    if client.exists(f"{SET_ASIDE_NAMES}:{key}"):
        assert client.type(f"{SET_ASIDE_NAMES}:{key}") == kind.encode()
        assert client.ttl(f"{SET_ASIDE_NAMES}:{key}") > 0
    leases.reap_jobs()
    leases.repair_orphans()


@pytest.mark.parametrize("kind", ["string", "stream"])
@pytest.mark.parametrize("key", [key for key in QUEUE_KEYS if JOB.user in key or THREAD in key])
def test_job_ends_beside_wrong_keys_that_its_hash_names(client: Redis, key: str, kind: str) -> None:
    """The next question of its thread runs, and repairs are not held up."""
    queue, leases = PreparedQueue(client), LeaseManager(client, 30.0, "w1")
    worker = RqWorker(client, "w1", leases, 3600)
    worker.register_birth()  # type: ignore[no-untyped-call]
    assert queue.enqueue(JOB).outcome == "accepted"
    context = worker.claim_job(str(worker.dequeue_job_id()))
    assert context is not None
    client.delete(key)
    WRITERS[kind](client, key)
    worker.release_quota(JOB.id)
    leases.repair_orphans()
    following = make_job(2)
    assert queue.enqueue(following).outcome == "accepted"
    assert worker.dequeue_job_id() == following.id


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("key", READ_KEYS)
def test_read_of_a_wrong_key_finds_nothing(client: Redis, key: str, kind: str) -> None:
    """The bot's client repeats the command once the key is set aside."""
    WRITERS[kind](client, key)
    found = READERS[READ_KEYS[key]](client, key)
    assert bool(found) is (kind == READ_KEYS[key])
    assert client.exists(f"{SET_ASIDE_NAMES}:{key}") == (kind != READ_KEYS[key])


@pytest.mark.parametrize("kind", WRITERS)
def test_names_of_keys_set_aside_are_logged_once(
    client: Redis, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker logs the names; the list itself may be of a wrong type too."""
    WRITERS[kind](client, SET_ASIDE_NAMES)
    WRITERS["stream"](client, keys.PENDING_JOBS)
    leases = LeaseManager(client, 30.0, "w1")
    leases.set_aside_keys()
    assert keys.PENDING_JOBS in capsys.readouterr().out
    leases.set_aside_keys()
    assert capsys.readouterr().out == ""


def test_commands_of_people_work_beside_wrong_keys(client: Redis) -> None:
    """Mode, forget, status and budget meet only wrong keys."""
    for key in (*READ_KEYS, find_buckets(TEAM, "chat.update")[0].key):
        WRITERS["stream"](client, key)
    thread = Thread(team=TEAM, channel=CHANNEL, ts=THREAD)
    assert ThreadModes(client).get_mode(thread, THREAD) is None
    ThreadModes(client).join_thread(thread, THREAD)
    assert ThreadModes(client).get_mode(thread, THREAD) is ThreadMode.AUTO
    assert Purge(client).drop_channel(TEAM, CHANNEL) == 0
    assert JobQueue(client).live_workers() == ()
    assert JobQueue(client).queue_depth() == 0
    bucket_keys, arguments = acquire_arguments(find_buckets(TEAM, "chat.update"), Priority.FINAL)
    assert client.register_script(TAKE_TOKEN)(keys=bucket_keys, args=arguments) == 0
