"""Slack's app manifest: scopes with reasons, event subscriptions, Slack's limits."""

import json
import re
from pathlib import Path
from typing import Any, Final

from bot.handlers.asks.form import ASK_CALLBACK_ID
from bot.handlers.presence.prompts import build_prompts
from contract.language import Language
from fakeslack.state.people import AppInstallation
from scripts import generated_docs

REPOSITORY: Final = Path(__file__).parents[2]
MANIFEST: Final[dict[str, Any]] = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))
PRIVACY: Final = (REPOSITORY / "docs" / "privacy.md").read_text("utf-8")


def test_every_scope_has_a_reason() -> None:
    """Each requested scope is documented, and no reason is left over."""
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]

    assert scopes == sorted(generated_docs.SCOPE_REASONS)
    for scope in scopes:
        assert f"| `{scope}` | " in PRIVACY


def test_optional_scopes_are_requested_too() -> None:
    """Slack shows an optional scope of the manifest apart; a reader learns what it is for."""
    scopes = MANIFEST["oauth_config"]["scopes"]

    assert set(scopes["bot_optional"]) == {
        "files:read",
        "im:write",
        "reactions:read",
        "usergroups:read",
    }
    assert set(scopes["bot_optional"]) <= set(scopes["bot"])
    assert all(
        generated_docs.SCOPE_REASONS[scope].startswith("optional: ")
        for scope in scopes["bot_optional"]
    )


def test_manifest_events_have_required_scopes() -> None:
    """Slack refuses a manifest with an event but not its scope."""
    needs = {
        "app_mention": "app_mentions:read",
        "channel_id_changed": "groups:read",
        "file_deleted": "files:read",
        "member_joined_channel": "channels:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
        "reaction_added": "reactions:read",
    }
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    scopes = MANIFEST["oauth_config"]["scopes"]["bot"]

    assert events == sorted(set(events))
    assert set(needs) <= set(events)
    assert set(needs.values()) <= set(scopes)
    for event in events:
        assert f"`{event}`" in PRIVACY


def test_manifest_respects_slack_limits() -> None:
    """Lengths and counts are within what Slack checks when an app is created."""
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
    """Socket Mode: Slack sends nothing to a public address."""
    settings = MANIFEST["settings"]

    assert settings["socket_mode_enabled"] is True
    assert "request_url" not in str(MANIFEST)
    assert settings["interactivity"] == {"is_enabled": True}
    assert settings["token_rotation_enabled"] is False


def test_prompts_are_those_that_the_bot_suggests() -> None:
    """A person reads the same ones in English before and after the first visit."""
    shown = MANIFEST["features"]["agent_view"]["suggested_prompts"]

    assert shown == build_prompts(Language.ENGLISH)


def test_shortcut_is_the_one_that_the_bot_knows() -> None:
    """Its id leads to a listener, and its texts are within Slack's limits."""
    (shortcut,) = MANIFEST["features"]["shortcuts"]

    assert shortcut["callback_id"] == ASK_CALLBACK_ID
    assert shortcut["callback_id"] in AppInstallation().shortcuts
    assert shortcut["type"] == "message"
    assert len(shortcut["name"]) <= 24
    assert len(shortcut["description"]) <= 150


def test_slash_command_hint_lists_known_commands() -> None:
    """The bot's handlers know every word of the hint."""
    (command,) = MANIFEST["features"]["slash_commands"]
    handlers = "".join(
        path.read_text("utf-8") for path in (REPOSITORY / "bot" / "handlers").glob("*.py")
    )

    for word in command["usage_hint"].split(" | "):
        assert f'"{word.split()[0]}"' in handlers or word == "help"
