"""The process `python -m bot`: start, signals, health and memory."""

import json
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from testing.environment import REPOSITORY, clean_environment
from testing.polling import poll_until
from testing.processes import FreshProcess, Process, fetch_page, free_port
from testing.queue_inspector import find_job, pending_job_ids
from testing.redis_server import RedisServer
from testing.workspace import ADA, GENERAL, Workspace

HEAVY = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "worker", "fakeslack")


def run_bot(**variables: str) -> tuple[int, str]:
    """Run the bot to its end; return exit status and output."""
    with Process("bot", **variables) as bot:
        return bot.wait_for_exit(), f"{bot.log_text}\n"


def execute_bot(**variables: str) -> tuple[int, str]:
    """Do the same as `run_bot`, with a new Python; return what it wrote to stderr only."""
    done = subprocess.run(
        [sys.executable, "-m", "bot"],
        cwd=REPOSITORY,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_invalid_setting_stops_start_with_one_line() -> None:
    """The line has the variable and what it must be."""
    status, line = execute_bot(SLACK_BOT_TOKEN="xoxb-1", SLACK_APP_TOKEN="xapp-1", PORT="many")

    assert (status, line) == (2, "bot: PORT must be a port from 1 to 65535, not 'many'\n")


def test_rejected_bot_token_stops_start(workspace: Workspace) -> None:
    """A token that Slack rejects is an invalid setting, without retries."""
    variables = workspace.environment | {"SLACK_BOT_TOKEN": "xoxb-another"}
    status, output = run_bot(**variables)

    assert status == 2
    # The first bot of a workspace also logs that it has made its database.
    assert output.splitlines()[-1] == (
        "bot: SLACK_BOT_TOKEN must be a token that Slack accepts, not the given one (invalid_auth)"
    )


def test_rejected_app_token_stops_start(workspace: Workspace, server: RedisServer) -> None:
    """The same holds for the token of Socket Mode."""
    variables = workspace.environment | {"SLACK_APP_TOKEN": "xapp-another"}
    status, line = run_bot(REDIS_URL=server.url, **variables)

    assert status == 2
    assert "bot: SLACK_APP_TOKEN must be a token that Slack accepts" in line


def test_taken_port_stops_start(workspace: Workspace) -> None:
    """A second bot on the same port stops with the name of the variable."""
    taken = workspace.url.rpartition(":")[2]
    variables = workspace.environment | {"SLACK_SIGNING_SECRET": "shh", "PORT": taken}
    del variables["SLACK_APP_TOKEN"]

    line = run_bot(**variables)[1]
    assert line.endswith(
        f"PORT must be a port that can be listened on, not '{taken}' (Address already in use)\n"
    )
    health = workspace.environment | {"HEALTH_PORT": taken}
    line = run_bot(**health)[1]
    assert line == (
        f"bot: HEALTH_PORT must be a port that can be listened on, not '{taken}' "
        "(Address already in use)\n"
    )


def test_start_waits_for_slack(workspace: Workspace, server: RedisServer) -> None:
    """A bot that starts before Slack connects later."""
    fault = {"fault": "ratelimited", "retry_after": 1, "count": 1}
    workspace.set_faults(
        {"method": "auth.test", "fault": "drop_before", "count": 1},
        {"method": "apps.connections.open", "fault": "status", "status": 500, "count": 1},
        {"method": "apps.connections.open", **fault},
    )
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("slack not reached")
        bot.wait_for_event("ready")
    workspace.set_faults()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signal_stops_bot_with_exit_code_0(
    workspace: Workspace, server: RedisServer, name: str
) -> None:
    """SIGTERM stops the bot within seconds."""
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        bot.send_signal(signal.Signals[name])
        assert bot.wait_for_exit(15) == 0

    assert "ended" in bot.log_text
    assert '"level": "error"' not in bot.log_text
    assert "Traceback" not in bot.log_text


def test_signal_stops_bot_that_waits_for_slack(server: RedisServer, tmp_path: Path) -> None:
    """A bot without a connection stops at once."""
    nowhere = f"http://127.0.0.1:{free_port()}/api/"
    given = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    given["DATABASE_URL"] = f"sqlite:///{tmp_path}/starchat.db"
    with Process("bot", REDIS_URL=server.url, SLACK_API_URL=nowhere, **given) as bot:
        bot.wait_for_event("slack not reached")
        assert bot.stop_process() == 0
    assert "ready" not in bot.log_text


def test_bot_that_stops_while_it_connects_is_never_ready(
    workspace: Workspace, server: RedisServer
) -> None:
    """A supervisor that reads the log must not count such a bot as started."""
    workspace.set_faults({"method": "apps.connections.open", "fault": "status", "status": 500})
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("slack not reached")
        assert bot.stop_process() == 0
    workspace.set_faults()
    assert "ready" not in bot.log_text


def test_second_signal_stops_bot_at_once(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """The second signal does not wait for a slow call; the question is safe."""
    workspace.set_faults({"method": "chat.postMessage", "fault": "slow", "seconds": 8})
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        before = len(workspace.api_calls())
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
        poll_until(
            lambda: workspace.api_calls(method="chat.postMessage", since=before),
            description="the slow call",
        )
        bot.send_signal(signal.SIGTERM)
        bot.wait_for_event("ending")
        bot.send_signal(signal.SIGTERM)
        assert bot.wait_for_exit(5) == 0
    workspace.set_faults()

    assert find_job(redis, GENERAL, ts) is not None


def test_bot_imports_no_model_library() -> None:
    """No import belongs to the worker or to a model library."""
    code = f"import sys, bot.__main__; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_burst_of_mentions_is_enqueued_in_small_process(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A hundred mentions are acknowledged in time, in less than 150 MiB."""
    limits = {"STARCHAT_MAX_PENDING_PER_USER": "1000"}
    with FreshProcess("bot", REDIS_URL=server.url, **limits, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        with ThreadPoolExecutor(20) as people:
            asked = list(
                people.map(
                    lambda number: workspace.post_message(
                        ADA, GENERAL, f"@StarChat question {number}"
                    ),
                    range(100),
                )
            )
        poll_until(lambda: len(pending_job_ids(redis)) == 100, description="a hundred jobs")
        mine = [e for e in workspace.delivery_attempts() if e["ts"] in set(asked)]
        poll_until(
            lambda: all(
                e["acked_at"] for e in workspace.delivery_attempts() if e["ts"] in set(asked)
            )
        )
        status = Path(f"/proc/{bot.pid}/status").read_text("ascii")
        resident = int(status.partition("VmRSS:")[2].split()[0])

    assert {e["attempt"] for e in mine} == {0}
    assert resident < 150 * 1024


def test_health_endpoints(workspace: Workspace, redis: Redis, server: RedisServer) -> None:
    """Liveness, readiness and metrics without ids or texts."""
    port = free_port()
    variables = workspace.environment | {"HEALTH_PORT": str(port)}
    with Process("bot", REDIS_URL=server.url, **variables) as bot:
        bot.wait_for_event("connected")
        poll_until(lambda: fetch_page(port, "/readyz")[0] == 200, description="readiness")
        assert fetch_page(port, "/healthz") == (200, "alive\n")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat my secret")
        poll_until(lambda: find_job(redis, GENERAL, ts))
        poll_until(lambda: all(e["acked_at"] for e in workspace.delivery_attempts(ts)))
        _, numbers = fetch_page(port, "/metrics")
        server.kill_server()
        assert fetch_page(port, "/readyz") == (503, "waiting for Redis (ConnectionError)\n")
        assert fetch_page(port, "/healthz")[0] == 200
        server.restart_server()
        poll_until(lambda: fetch_page(port, "/readyz")[0] == 200, description="readiness again")

    assert 'starchat_bot_questions_total{outcome="accepted"} 1.0' in numbers
    assert 'starchat_bot_questions_total{outcome="duplicate"} 1.0' in numbers
    assert 'starchat_bot_requests_total{acknowledged="yes",type="event_callback"}' in numbers
    assert "starchat_bot_ack_seconds_bucket" in numbers
    assert "starchat_bot_ready 1.0" in numbers
    assert "secret" not in numbers
    assert ADA not in numbers


def test_bot_without_redis_permissions_is_not_ready(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """A Redis user who may only PING cannot enqueue."""
    port = free_port()
    rule = ("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "&*")
    redis.execute_command(*rule, "-@all", "+@connection")  # type: ignore[no-untyped-call]
    variables = workspace.environment | {"HEALTH_PORT": str(port)}
    url = f"unix://narrow:secret@{server.socket}"
    with Process("bot", REDIS_URL=url, **variables) as bot:
        bot.wait_for_event("connected")

        assert fetch_page(port, "/readyz") == (503, "waiting for Redis (NoPermissionError)\n")
        redis.execute_command(*rule, "+@all")  # type: ignore[no-untyped-call]
        assert fetch_page(port, "/readyz") == (200, "ready\n")


def test_home_tab_shows_help_and_status(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """The Home tab has the help and the status of the queue."""
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        event = {"type": "app_home_opened", "user": ADA, "tab": "home", "channel": "D01"}
        workspace.send_control("event", event=event)
        call = poll_until(
            lambda: [call for call in workspace.api_calls(method="views.publish") if call["ok"]],
            description="the view",
        )[-1]

    assert "No worker is running" in json.dumps(call["args"]["view"])


def test_oauth_environment_is_ignored(
    workspace: Workspace, redis: Redis, server: RedisServer
) -> None:
    """Bolt would use its OAuth flow if it found a client id."""
    oauth = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "shh"}
    with Process("bot", REDIS_URL=server.url, **oauth, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        ts = workspace.post_message(ADA, GENERAL, "@StarChat hi")
        poll_until(lambda: find_job(redis, GENERAL, ts), description="the job")


def test_workspace_sees_connection_state(workspace: Workspace, server: RedisServer) -> None:
    """The workspace sees the bot connect and disconnect."""
    with Process("bot", REDIS_URL=server.url, **workspace.environment) as bot:
        bot.wait_for_event("connected")
        workspace.wait_until_connected()
        with urllib.request.urlopen(f"{workspace.url}/_page/state?user={ADA}") as answer:  # noqa: S310
            assert json.load(answer)["app"]["connected"]
