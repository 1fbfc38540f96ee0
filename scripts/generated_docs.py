"""
Writes what the papers say of the code: settings, scopes, modules. `make papers` runs it.

A generated part stands between `<!-- NAME -->` and `<!-- /NAME -->`; a test compares it.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import bot.settings
import worker.settings
from contract.settings import EnvironmentSettings

REPOSITORY: Final = Path(__file__).parents[1]
PACKAGES: Final = ("bot", "contract", "worker", "fakeslack", "demo")

SCOPE_REASONS: Final = {
    "app_mentions:read": "hear a mention in a channel",
    "assistant:write": "Slack wants it for `agent_view`, which gives the bot its own place",
    "channels:history": "read and follow the threads it is mentioned in, in public channels",
    "channels:read": "know which public channels it is in, to catch up there after an outage",
    "chat:write": "post the reply, let it grow, correct it",
    "commands": "`/starchat`",
    "files:write": "post code that is too long for a message as a file",
    "groups:history": "the same as `channels:history` in private channels it was invited to",
    "groups:read": "the same as `channels:read` for private channels",
    "im:history": "read direct messages to it",
    "im:read": "the same for direct messages",
    "mpim:history": "read group direct messages it is part of",
    "mpim:read": "the same for group direct messages",
    "users:read": "call people by the names they go by",
}
"""What we ask an administrator for, and why; a test holds it against the code."""

GeneratedParts = dict[str, Callable[[], str]]


def render_settings_table(settings: type[EnvironmentSettings]) -> str:
    """Return the table of one process's variables."""
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in settings.model_fields.items():
        rows.append(f"| `{name.upper()}` | {_format_default(field)} | {field.description} |")
    return "\n".join(rows)


def render_scopes_table() -> str:
    """Return the table of the manifest's scopes, each with its reason."""
    manifest = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    rows = [f"| `{scope}` | {SCOPE_REASONS[scope]} |" for scope in scopes]
    return "\n".join(["| scope | what for |", "|---|---|", *rows])


def render_event_list() -> str:
    """Return the manifest's events as one sentence."""
    manifest = json.loads((REPOSITORY / "manifest.json").read_text("utf-8"))
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    return f"Events: {', '.join(f'`{event}`' for event in events)}."


def render_module_list() -> str:
    """Return one line for each module of the product: its path and what it is for."""
    lines = []
    for name in PACKAGES:
        package = REPOSITORY / name
        lines += [f"### `{name}/`", "", read_first_sentence(package / "__init__.py"), ""]
        lines += [
            f"- `{path.relative_to(package)}` {read_first_sentence(path)}"
            for path in _list_modules(package)
        ]
        lines.append("")
    return "\n".join(lines).rstrip()


def insert_generated_parts(text: str, parts: GeneratedParts) -> str:
    """Return a paper's text with its generated parts anew. Raises `ValueError` for a lost part."""
    for name, render in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the marks of '{name}' are not there once")
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{render()}\n{end}{rest.split(end)[1]}"
    return text


DOCUMENTS: Final[dict[str, GeneratedParts]] = {
    "README.md": {
        "bot settings": lambda: render_settings_table(bot.settings.Settings),
        "worker settings": lambda: render_settings_table(worker.settings.Settings),
        "scopes": render_scopes_table,
        "events": render_event_list,
    },
    "docs/architecture.md": {"modules": render_module_list},
}


def main() -> None:
    """Write every paper anew."""
    for name, parts in DOCUMENTS.items():
        path = REPOSITORY / name
        path.write_text(insert_generated_parts(path.read_text("utf-8"), parts), "utf-8")


def _format_default(field: FieldInfo) -> str:
    value: Any = field.default
    if field.is_required() or value is PydanticUndefined:
        return "*needed*"
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if value is None or value in {"", frozenset()}:
        return ""
    return f"`{getattr(value, 'value', value)}`"


def _list_modules(package: Path) -> Iterator[Path]:
    """Yield a room's modules, and its inner packages by their own first sentence."""
    for path in sorted(package.rglob("*.py")):
        if path != package / "__init__.py":
            yield path


def read_first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring as one line."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    first = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", first)[0]


if __name__ == "__main__":
    main()
