"""Settings that a library would misread later: refused at the start, with one line, no secret."""

import errno
import re

import pytest

import bot.settings
import worker.settings
from contract.addresses import check_http_url
from contract.base_settings import BaseSettings
from contract.proxies import PROXY_VARIABLES
from contract.settings import SettingsError

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1-secret", "SLACK_APP_TOKEN": "xapp-1-secret"}
PROCESSES = (bot.settings.Settings, worker.settings.Settings)


@pytest.fixture(params=PROCESSES, ids=["bot", "worker"])
def process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[BaseSettings]:
    """The settings of a process, with the tokens set."""
    settings: type[BaseSettings] = request.param
    for name in settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for variable in PROXY_VARIABLES["https"]:
        monkeypatch.delenv(variable, raising=False)
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    return settings


def find_error(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> str:
    """Return the operator's line for a wrong value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        process.from_environment()
    line = str(raised.value)
    assert line.startswith(f"{name} must ")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "url",
    [
        *("redis://:s3cr#t@127.0.0.1:6379/0", "redis://:s3c/r3t@127.0.0.1:6379/0"),
        *("redis://:s3?cr3t@127.0.0.1", "redis://:123/s3cr3t@127.0.0.1", "redis://:123?s3cr3t@h"),
        *("redis://:s3cr3t@127.0.0.1:port", "redis://:s3cr3t@127.0.0.1:99999", "redis://:s3cr3t@"),
        *("redis://:s3cr3t@127.0.0.1/zero", "redis://:s3cr3t@[::1:6379", "redis://:s3cr3t@a..b"),
        *("redis://:s3cr3t@h?db=s3cr3t", "redis://:s3cr3t@h?no_such_option=1"),
        *("redis://:s3cr3t@h?max_connections=-1", "redis://:s3\ncr3t@h", "redis://:\udcffs3cr3t@h"),
        *("unix://:s3cr#t@/run/redis.sock", "unix://:s3cr3t@", "http://:s3cr3t@h"),
        "rediss://:s3cr3t@h?ssl_ca_certs=/no/such/s3cr3t",
    ],
)
def test_unusable_redis_url_is_refused(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """The line says how to write the password, and shows no part of it."""
    line = find_error(process, monkeypatch, "REDIS_URL", url)
    assert "%23" in line
    assert not re.search(r"s3|cr3t|cr#t", line)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://", "redis:///1", "redis://h", "redis://user:p%23%2F%40@h:1/2", "rediss://h"),
        *("redis://:p@ss@h", "redis://[::1]:6379/0", "unix:///run/my redis.sock?db=1"),
        *("unix://user:p%23@/run/redis.sock", " redis://h\n", "redis://h?socket_timeout=3"),
    ],
)
def test_usable_redis_url_is_accepted(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """An escaped password, IPv6 and a socket are addresses that redis-py understands."""
    monkeypatch.setenv("REDIS_URL", url)
    assert process.from_environment().redis_url.get_secret_value() == url.strip()


@pytest.mark.parametrize(
    "url",
    [
        *("mysql://u:s3cr3t@h/d", "postgresql+asyncpg://u:s3cr3t@h/d", "sqlite://", "sqlite:///"),
        *("sqlite://u:s3cr3t@h/d", "sqlite:///:memory:", "sqlite:///file:a?uri=true", "postgresql"),
        *("sqlite:///a?mode=s3cr3t", "sqlite://s3cr3t/starchat.db", "postgresql://u:s3cr3t@h"),
        *("postgresql://u:s3@cr3t@h/d", "postgresql://u:s3cr3t@h:port/d", "s3cr3t"),
        *("postgresql://u:s3cr3t@h/d?no_such_option=1", "postgresql://u:s3\ncr3t@h/d"),
        *("postgresql://u:s3cr3t@h/d?sslrootcert=/no/such/s3cr3t", "postgres://u:s3cr3t@h/d"),
    ],
)
def test_unusable_database_url_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The line has two examples, and no part of the address."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    line = find_error(bot.settings.Settings, monkeypatch, "DATABASE_URL", url)
    assert "sqlite:////data/starchat.db" in line
    assert line.endswith(", not the given one")
    assert not re.search(r"s3|cr3t", line)


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:///starchat.db", "sqlite:////data/starchat.db", "postgresql://u:p%40@h/d"),
        *("postgresql+psycopg://u:p@[::1]:5432/d?sslmode=require", "postgresql://u@/d?host=/run"),
    ],
)
def test_usable_database_url_is_accepted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A file, a server, a socket, and the options of PostgreSQL's own library."""
    for name, value in TOKENS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", url)
    settings = bot.settings.Settings.from_environment()

    assert settings.database_url.get_secret_value() == url
    assert url not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1:port/api/", "http://127.0.0.1:99999/api/", "http://[::1/api/"),
        *("http:///api/", "http://a..b/api/", "http://h/?x/api/", "http://h/#/api/"),
    ],
)
def test_unusable_api_url_is_refused(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """The first call would raise an error that names no setting."""
    assert url in find_error(process, monkeypatch, "SLACK_API_URL", url)


@pytest.mark.parametrize("variable", PROXY_VARIABLES["https"])
@pytest.mark.parametrize("proxy", ["proxy:3128", "http://user:s3cr#t@proxy", "http://proxy:port"])
def test_unusable_proxy_is_refused(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    """The HTTP libraries read the variable themselves; it may hold a password."""
    assert "s3cr" not in find_error(process, monkeypatch, variable, proxy)


@pytest.mark.parametrize("value", ["localhost", "256.0.0.1", "::g", "0.0.0.0:8080"])
def test_unusable_health_host_is_refused(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """Only an address can be bound for certain."""
    assert "an IPv4 or IPv6 address" in find_error(process, monkeypatch, "HEALTH_HOST", value)


@pytest.mark.parametrize("token", ["xoxb-", "xoxb-s3 cr3t", "xoxb-s3\ncr3t", "xoxb-s3crét"])
def test_token_that_no_header_can_hold_is_refused(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """slack_sdk would fail at each call."""
    assert "s3" not in find_error(process, monkeypatch, "SLACK_BOT_TOKEN", token)


@pytest.mark.parametrize("name", ["SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SLACK_BOT_TOKEN"])
@pytest.mark.parametrize("added", ["\n", "\r\n", " ", "\t"])
def test_white_space_around_a_secret_is_removed(
    monkeypatch: pytest.MonkeyPatch, name: str, added: str
) -> None:
    """A line end from a secret store is no part of a token."""
    secret = TOKENS.get(name, "a1b2c3")
    for variable, value in (TOKENS | {name: f"{added}{secret}{added}"}).items():
        monkeypatch.setenv(variable, value)
    settings = bot.settings.Settings.from_environment()
    assert getattr(settings, name.lower()).get_secret_value() == secret


def test_address_with_a_space_is_refused() -> None:
    """No HTTP client can call it."""
    with pytest.raises(ValueError, match="has a space"):
        check_http_url("http://slack com/")


def test_health_address_is_named_if_it_cannot_be_bound(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names both variables if both decide."""
    monkeypatch.setenv("HEALTH_PORT", "8081")
    error = OSError(errno.EADDRINUSE, "in use")
    assert process.from_environment().describe_health_error(error).startswith("HEALTH_PORT must")
    monkeypatch.setenv("HEALTH_HOST", "127.0.0.1")
    line = process.from_environment().describe_health_error(error)
    assert line.startswith("HEALTH_HOST with HEALTH_PORT must be")
    assert "127.0.0.1 port 8081" in line


def test_invalid_replaced_token_leaves_the_token_of_the_start(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written file must not stop a running process."""
    settings = process.from_environment()
    monkeypatch.setenv("SLACK_BOT_TOKEN", "nonsense")
    assert settings.reload_secret("slack_bot_token") == TOKENS["SLACK_BOT_TOKEN"]
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-2-secret")
    assert settings.reload_secret("slack_bot_token") == "xoxb-2-secret"


def test_api_address_of_another_slack_is_taken(
    process: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test or a demo has a Slack of its kind under another address."""
    monkeypatch.setenv("SLACK_API_URL", "http://127.0.0.1:8065/api/")

    assert process.from_environment().slack_api_url == "http://127.0.0.1:8065/api/"
