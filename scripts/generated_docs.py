"""
Generated parts of the documents: settings tables, OAuth scopes, events. `make docs` runs it.

A generated part is enclosed by `<!-- NAME -->` and `<!-- /NAME -->`. A test compares it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo

import bot.settings
import worker.settings
from contract.settings import EnvironmentSettings, describe_default, describe_expectation
from testing.labelled_snippets import count_hints
from worker.render.safety_hints import SENTENCES

REPOSITORY: Final = Path(__file__).parents[1]

SCOPE_REASONS: Final = {
    "app_mentions:read": "receive mentions in channels",
    "assistant:write": "suggest prompts in its direct messages; required by Slack for "
    "`agent_view`, which gives the app its own place",
    "channels:history": "read and follow threads in public channels where it is mentioned",
    "channels:read": "list the public channels it is in, for backfill after an outage",
    "chat:write": "post and update replies",
    "commands": "provide `/starchat` and the shortcut *Ask StarChat about this*",
    "files:read": "optional: read text files of a thread; without it, a reply says that it cannot",
    "files:write": "share code that is too long for a message as a file",
    "groups:history": "the same as `channels:history` in private channels it was invited to",
    "groups:read": "the same as `channels:read` for private channels",
    "im:history": "read direct messages sent to it",
    "im:read": "the same as `channels:read` for direct messages",
    "im:write": "optional: open the direct message in which `/starchat ask` is answered",
    "mpim:history": "read group direct messages it is in",
    "mpim:read": "the same as `channels:read` for group direct messages",
    "reactions:read": "optional: stop a reply by the reaction 🛑, delete it by 🗑, and vote on it "
    "by 👍 and 👎; buttons work without it",
    "usergroups:read": "optional: let only a user group ask in a channel, by that channel's rules",
    "users:read": "use people's display names, and recognize guests and administrators",
}
"""Reason for each OAuth scope that the manifest requests."""

PARTS: Final = ("found", "unsafe", "false", "safe")
GeneratedParts = dict[str, Callable[[], str]]


def render_settings_table(settings: type[EnvironmentSettings]) -> str:
    """Return the table of one process's environment variables."""
    rows = ["| Variable | Default | Effect | Value |", "|---|---|---|---|"]
    for name, field in settings.model_fields.items():
        cells = (f"`{name.upper()}`", _format_default(field), field.description)
        rows.append(f"| {' | '.join(map(str, cells))} | {describe_expectation(field)} |")
    return "\n".join(rows)


def render_scopes_table() -> str:
    """Return the table of the manifest's OAuth scopes, each with its reason."""
    manifest = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    rows = [f"| `{scope}` | {SCOPE_REASONS[scope]} |" for scope in scopes]
    return "\n".join(["| Scope | Used to |", "|---|---|", *rows])


def render_event_list() -> str:
    """Return the manifest's event subscriptions as one sentence."""
    manifest = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    return f"Events: {', '.join(f'`{event}`' for event in events)}."


def render_safety_rules() -> str:
    """Return the table of the safety rules, with what they find in labelled snippets."""
    rows = ["| Rule | Sentence | Unsafe snippets found | Safe ones flagged |", "|---|---|---|---|"]
    counts = count_hints()
    for name, sentence in SENTENCES.items():
        words = sentence.english.removeprefix("Line {line}: ")
        count = counts[name]
        cells = f"{count.found} of {count.unsafe} | {count.false} of {count.safe}"
        rows.append(f"| `{name}` | {words} | {cells} |")
    found, unsafe = (sum(getattr(one, part) for one in counts.values()) for part in PARTS[:2])
    false, safe = (sum(getattr(one, part) for one in counts.values()) for part in PARTS[2:])
    return "\n".join([*rows, f"| all | | {found} of {unsafe} | {false} of {safe} |"])


def insert_generated_parts(text: str, parts: GeneratedParts) -> str:
    """Return a document with its generated parts. Raises `ValueError` if a marker is missing."""
    for name, render in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the markers of '{name}' must occur exactly once")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{render()}\n{end}{rest.split(end)[1]}"
    return text


DOCUMENTS: Final[dict[str, GeneratedParts]] = {
    "docs/settings.md": {
        "bot settings": lambda: render_settings_table(bot.settings.Settings),
        "worker settings": lambda: render_settings_table(worker.settings.Settings),
    },
    "docs/checks.md": {"safety rules": render_safety_rules},
    "docs/privacy.md": {"scopes": render_scopes_table, "events": render_event_list},
}


def main() -> None:
    """Regenerate every document in place."""
    for name, parts in DOCUMENTS.items():
        path = REPOSITORY / name
        path.write_text(insert_generated_parts(path.read_text("utf-8"), parts), "utf-8")


def _format_default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    default = describe_default(field)
    return f"`{default}`" if default else ""


if __name__ == "__main__":
    main()
