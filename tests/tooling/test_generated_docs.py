"""What the papers say of the code is true: settings, scopes, modules, commands, links."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

import bot.settings
import worker.settings
from scripts import generated_docs

REPOSITORY: Final = Path(__file__).parents[2]
README: Final = (REPOSITORY / "README.md").read_text("utf-8")
MANIFEST: Final[dict[str, Any]] = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))


@pytest.mark.parametrize("name", generated_docs.DOCUMENTS)
def test_generated_parts_match_documents(name: str) -> None:
    """`make papers` would change nothing."""
    text = (REPOSITORY / name).read_text("utf-8")

    assert generated_docs.insert_generated_parts(text, generated_docs.DOCUMENTS[name]) == text, (
        "run `make papers`"
    )


def test_every_setting_is_documented() -> None:
    """Each field of both processes has its row, with its default."""
    for settings in (bot.settings.Settings, worker.settings.Settings):
        for name in settings.model_fields:
            assert f"| `{name.upper()}` |" in README


def test_every_setting_has_a_description() -> None:
    """A row without words would help nobody."""
    for settings in (bot.settings.Settings, worker.settings.Settings):
        for name, field in settings.model_fields.items():
            assert (field.description or "").endswith("."), name


def test_every_module_is_listed() -> None:
    """The list in docs/architecture.md is the tree of all rooms."""
    text = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")
    listed = set()
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        package = section.split("/")[0].strip("`")
        listed |= {f"{package}/{path}" for path in re.findall(r"^- `(\S+)`", section, re.MULTILINE)}
    tree = {
        str(path.relative_to(REPOSITORY))
        for room in generated_docs.PACKAGES
        for path in (REPOSITORY / room).rglob("*.py")
    }

    assert listed == tree - {f"{room}/__init__.py" for room in generated_docs.PACKAGES}


def test_every_module_opens_with_a_sentence() -> None:
    """The line on the map is the first sentence of the module's docstring."""
    for package in generated_docs.PACKAGES:
        for path in (REPOSITORY / package).rglob("*.py"):
            assert generated_docs.read_first_sentence(path).endswith((".", "?", "!")), path


def test_missing_marker_raises_value_error() -> None:
    """A paper without the place for a generated part is an error, not a silent nothing."""
    with pytest.raises(ValueError, match="scopes"):
        generated_docs.insert_generated_parts(
            "no marks here", {"scopes": generated_docs.render_scopes_table}
        )


def test_secret_settings_show_no_value() -> None:
    """A token has no default; an address may have a harmless one."""
    table = generated_docs.render_settings_table(bot.settings.Settings)

    assert "| `SLACK_BOT_TOKEN` | *needed* |" in table
    assert "SecretStr" not in table
    assert "**" not in table


def test_every_scope_has_a_reason() -> None:
    """Whoever installs the app learns what each permission is for; no reason is left over."""
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]

    assert scopes == sorted(generated_docs.SCOPE_REASONS)
    for scope in scopes:
        assert f"| `{scope}` | " in README


def test_manifest_events_have_required_scopes() -> None:
    """An event without its scope would make Slack refuse the manifest."""
    needs = {
        "app_mention": "app_mentions:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
    }
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]

    assert events == sorted(set(events))
    assert set(needs) <= set(events)
    assert set(needs.values()) <= set(scopes)
    for event in events:
        assert f"`{event}`" in README


def test_manifest_respects_slack_limits() -> None:
    """Lengths and counts that Slack checks when an app is created."""
    about, features = MANIFEST["display_information"], MANIFEST["features"]
    commands = features["slash_commands"]

    assert len(about["name"]) <= 35
    assert len(about["description"]) <= 140
    assert re.fullmatch(r"#[0-9a-f]{6}", about["background_color"])
    assert len(features["bot_user"]["display_name"]) <= 80
    assert len(commands) <= 50
    assert all(len(command["command"]) <= 32 for command in commands)
    assert len(MANIFEST["settings"]["event_subscriptions"]["bot_events"]) <= 100
    assert len(features["agent_view"]["agent_description"]) <= 300
    assert len(features["agent_view"]["suggested_prompts"]) <= 4


def test_manifest_needs_no_public_url() -> None:
    """Socket Mode: nothing has to be reachable from outside."""
    settings = MANIFEST["settings"]

    assert settings["socket_mode_enabled"] is True
    assert "request_url" not in str(MANIFEST)
    assert settings["interactivity"] == {"is_enabled": True}
    assert settings["token_rotation_enabled"] is False


def test_slash_command_hint_lists_known_commands() -> None:
    """Every word of the hint is a word that the listener knows."""
    (command,) = MANIFEST["features"]["slash_commands"]
    listeners = (REPOSITORY / "bot" / "listeners.py").read_text("utf-8")

    for word in command["usage_hint"].split(" | "):
        assert f'"{word}"' in listeners or word == "help"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_relative_links_resolve(name: str) -> None:
    """Each relative link names a file of the repository."""
    text = (REPOSITORY / name).read_text("utf-8")
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", text):
        assert (REPOSITORY / target).exists(), target


def test_readme_names_existing_make_targets() -> None:
    """`make X` in the README exists."""
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))

    assert {"demo", "test"} <= set(re.findall(r"make ([a-z]+)", README)) <= targets
