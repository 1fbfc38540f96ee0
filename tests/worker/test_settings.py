"""Settings of the worker: wrong values are rejected with one line."""

import pytest

from contract.settings import SettingsError
from worker.settings import Settings

ENVIRONMENT = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "REDIS_URL": "redis://127.0.0.1",
    "STARCHAT_LEASE_SECONDS": "3",
}
ADDRESS = "an address that starts with http and ends with /api/"
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
