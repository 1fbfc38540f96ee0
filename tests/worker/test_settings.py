"""Settings of the worker: wrong values are rejected with one line."""

import pytest

from contract.settings import SettingsError
from worker.settings import Canary, Settings

ENVIRONMENT = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "REDIS_URL": "redis://127.0.0.1",
    "STARCHAT_LEASE_SECONDS": "3",
}
SERVER = "http://10.0.0.5:8000/v1"
URL = "the base of an address with http:// or https://, without a password and a request's route"
ADDRESS = "an address that starts with http and ends with /api/"
LEASE = {"STARCHAT_LEASE_SECONDS": "15"}
CANARY = "a model, a colon and a share of the threads from 1% to 50%, as in /models/new:10%"
REDIS = (
    "an address that starts with redis://, rediss:// or unix://, in whose password each of %#/?@ "
    "is written as %25, %23, %2F, %3F or %40"
)


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "STARCHAT_HEARTBEAT_INTERVAL",
            "1",
            "must be less than a third of STARCHAT_LEASE_SECONDS (3), not '1'",
        ),
        ("SLACK_API_URL", "https://slack.com", f"must be {ADDRESS}, not 'https://slack.com'"),
        ("REDIS_URL", "http://127.0.0.1", f"must be {REDIS}, not the given one"),
        (
            "STARCHAT_ENGINE_URL",
            f"{SERVER}/completions",
            f"must be {URL}, not '{SERVER}/completions'",
        ),
        ("STARCHAT_CANARY", "/m:60%", f"must be {CANARY}, not '/m:60%'"),
        ("STARCHAT_CANARY", "/m", f"must be {CANARY}, not '/m'"),
        ("STARCHAT_CANARY", ":5%", f"must be {CANARY}, not ':5%'"),
        (
            "STARCHAT_FAILPOINT",
            "somewhere:kill",
            "must be failpoint:kill or failpoint:pause, not 'somewhere:kill'",
        ),
    ],
)
def test_wrong_value_is_rejected_with_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, line: str
) -> None:
    """The line names the setting, its expected and its actual value; a secret is not shown."""
    for variable, given in (ENVIRONMENT | {name: value}).items():
        monkeypatch.setenv(variable, given)
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment()
    assert str(raised.value) == f"{name} {line}"


@pytest.mark.parametrize("name", ["STARCHAT_ENGINE_KEY", "STARCHAT_ENGINE_DIALECT"])
def test_server_settings_need_its_address(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without it, the worker would load the model itself."""
    for variable, given in (ENVIRONMENT | LEASE | {name: "sglang"}).items():
        monkeypatch.setenv(variable, given)
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment()
    assert str(raised.value) == f"{name} needs STARCHAT_ENGINE_URL, which is unset"


def test_canary_has_a_model_and_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last colon separates them: a path may contain others."""
    for variable, given in (ENVIRONMENT | LEASE | {"STARCHAT_CANARY": "/m:1/new:7%"}).items():
        monkeypatch.setenv(variable, given)
    settings = Settings.from_environment()

    assert settings.canary == Canary("/m:1/new", 0.07)


def test_canary_is_refused_beside_an_inference_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server has the models: it splits the traffic."""
    canary = {"STARCHAT_CANARY": "/m:5%", "STARCHAT_ENGINE_URL": "http://127.0.0.1:1"}
    for variable, given in (ENVIRONMENT | LEASE | canary).items():
        monkeypatch.setenv(variable, given)
    with pytest.raises(SettingsError, match=r"^STARCHAT_CANARY must be unset with .*, not '/m:5%'"):
        Settings.from_environment()
