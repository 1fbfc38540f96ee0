"""Uploads on the page: a person attaches files to a message."""

import pytest
from playwright.sync_api import FilePayload, expect

from testing.workspace import Workspace
from tests.fakeslack.conftest import OpenReader

pytestmark = pytest.mark.browser


def make_payload(name: str, mimetype: str, content: bytes) -> FilePayload:
    """Return a file of the person's machine."""
    return FilePayload(name=name, mimeType=mimetype, buffer=content)


def test_a_person_attaches_and_removes_files(
    workspace: Workspace, channel_id: str, open_reader: OpenReader
) -> None:
    """The message shows names and first lines, and later which file was deleted."""
    ada = open_reader(workspace).open_channel(channel_id)
    ada.channel_column.locator("input[type=file]").set_input_files(
        [
            make_payload("app.py", "text/x-python", b"magenta = 1\n"),
            make_payload("shot.png", "image/png", b"\x89PNG"),
            make_payload("wrong.txt", "text/plain", b"no"),
        ]
    )
    ada.page.get_by_role("button", name="Remove wrong.txt").click()
    ada.write_message("look at this")

    row = ada.find_message("look at this")
    expect(row.locator(".file-name")).to_have_text(["app.py", "shot.png"])
    expect(row.locator(".file-preview")).to_have_text("magenta = 1")
    expect(ada.channel_column.locator(".attached li")).to_have_count(0)
    [message] = workspace.read_messages(channel_id)
    assert [(file["name"], file["size"]) for file in message["files"]] == [
        ("app.py", 12),
        ("shot.png", 4),
    ]
    workspace.send_control("delete_file", file=message["files"][0]["id"])
    expect(row.locator(".file").first).to_have_text("This file was deleted.")
