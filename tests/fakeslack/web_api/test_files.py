"""`files.*`: three-step uploads, file information and downloads."""

import http.client
import random
import urllib.parse

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from fakeslack.delivery.events import EventBuilder
from fakeslack.web_api.files import delete_file, share_files
from testing.in_memory_workspace import STARCHAT, InMemoryWorkspace
from testing.workspace import ADA, BOT_TOKEN, GENERAL, PYTHON, Workspace, message_texts
from tests.fakeslack.web_api.conftest import call_and_get_error

BEARER = {"Authorization": f"Bearer {BOT_TOKEN}"}


def download(
    host: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, bytes, str | None]:
    """Return the status, the body and the redirect of a response."""
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers or {})
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers.get("Location")
    connection.close()
    return found


def test_files_are_uploaded_and_downloaded_with_the_token(
    workspace: Workspace, client: WebClient
) -> None:
    """The message follows the response; `files.info` lists the share."""
    root = workspace.post_message(ADA, PYTHON, "show me")
    answer = client.files_upload_v2(
        filename="a.py", content="x = 1\n", title="one", channel=PYTHON, thread_ts=root,
        initial_comment="here", snippet_type="python",
    )  # fmt: skip
    workspace.wait_for_messages(lambda seen: "here" in message_texts(seen), PYTHON, root)
    shown = client.files_info(file=answer["file"]["id"])["file"]
    assert shown["shares"]["public"][PYTHON][0]["thread_ts"] == root
    message = workspace.read_messages(PYTHON, root)[-1]
    assert (message["subtype"], message["files"][0]["title"]) == ("file_share", "one")
    address = urllib.parse.urlsplit(shown["url_private_download"])
    assert download(address.netloc, address.path, BEARER) == (200, b"x = 1\n", None)
    status, _, location = download(address.netloc, address.path)
    assert (status, location) == (302, f"/signin?redir={address.path}")
    assert download(address.netloc, str(location))[1].startswith(b"<!DOCTYPE html>")


async def test_an_asyncio_client_uploads_files(workspace: Workspace) -> None:
    """Without a channel, no message is posted."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=BOT_TOKEN, base_url=workspace.api_url, session=session)
        answer = await client.files_upload_v2(filename="a.txt", content="hello")
        found = await client.files_info(file=answer["file"]["id"])
    assert found["file"]["preview"] == "hello"
    assert found["file"]["shares"] == {}


def test_an_upload_can_be_a_multipart_form(workspace: Workspace, client: WebClient) -> None:
    """A form without a file is refused."""
    for body, status in ((b"abc", 200), (b"", 400)):
        answer = client.files_getUploadURLExternal(filename="a.txt", length=3)
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        whole = part + body + b"\r\n--x--\r\n" if body else b"--x--\r\n"
        connection = http.client.HTTPConnection(workspace.url.removeprefix("http://"), timeout=10)
        path = urllib.parse.urlsplit(answer["upload_url"]).path
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", path, whole, kind)
        assert connection.getresponse().status == status
        connection.close()


def test_invalid_files_calls_are_refused(workspace: Workspace, client: WebClient) -> None:
    """Length, target and thread are checked; a private file is hidden from the bot."""
    assert call_and_get_error(client, "files.getUploadURLExternal", filename="a")["error"] == (
        "invalid_arguments"
    )
    long = {"filename": "a", "length": 1, "alt_txt": "a" * 1_001}
    assert (
        call_and_get_error(client, "files.getUploadURLExternal", **long)["error"]
        == "alt_txt_too_large"
    )
    complete = "files.completeUploadExternal"
    assert call_and_get_error(client, complete)["error"] == "invalid_arguments"
    many = {"files": [{"id": "F9"}], "channels": ",".join([GENERAL] * 101)}
    assert call_and_get_error(client, complete, **many)["error"] == "channels_limit_exceeded"
    gone = {"files": [{"id": "F9"}], "channel_id": GENERAL, "thread_ts": "1.000000"}
    assert call_and_get_error(client, complete, **gone)["error"] == "thread_not_found"
    assert call_and_get_error(client, complete, files=[{"id": "F9"}])["error"] == "file_not_found"
    private_channel = workspace.send_control("create", name="den", members=[ADA], private=True)[
        "channel"
    ]
    file = workspace.send_control(
        "file", user=ADA, channel=private_channel, name="a.py", content="x"
    )["file"]
    assert call_and_get_error(client, "files.info", file=file)["error"] == "file_not_found"


def test_a_file_is_shared_in_each_channel(workspace: Workspace, client: WebClient) -> None:
    """`channels` takes several ids; the comment carries Slack's block in each message."""
    channels, comment = [GENERAL, PYTHON], "for both channels"
    client.files_upload_v2(
        filename="a.txt", content="abc", channels=channels, initial_comment=comment
    )
    for channel in channels:
        workspace.wait_for_messages(lambda seen: comment in message_texts(seen), channel)
        message = workspace.read_messages(channel)[-1]
        assert [block["type"] for block in message["blocks"]] == ["rich_text"]


def test_a_person_shares_a_file(workspace: Workspace, client: WebClient) -> None:
    """The bot sees a file in a person's message."""
    made = workspace.send_control(
        "file", user=ADA, channel=GENERAL, name="a.py", content="x = 1", text="look"
    )
    found = client.files_info(file=made["file"])["file"]
    assert (found["user"], found["filetype"]) == (ADA, "python")
    assert found["shares"]["public"][GENERAL] == [{"ts": made["ts"]}]


def test_a_file_is_served_for_the_scope_and_until_its_deletion(
    workspace: Workspace, client: WebClient
) -> None:
    """A wrong token and a missing scope lead to the sign-in page, a deleted file to nothing."""
    made = workspace.send_control(
        "file", user=ADA, channel=GENERAL, name="A b/é.py", base64="AP8=", mimetype="image/png"
    )
    shown = client.files_info(file=made["file"])["file"]
    address = urllib.parse.urlsplit(shown["url_private"])
    assert address.path.endswith("/a_b__.py")
    assert download(address.netloc, address.path, BEARER)[:2] == (200, b"\0\xff")
    assert download(address.netloc, address.path, {"Authorization": "Bearer xoxb-no"})[0] == 302
    workspace.send_control("app", without_scopes=["files:read"])
    assert download(address.netloc, address.path, BEARER)[0] == 302
    error = call_and_get_error(client, "files.info", file=made["file"])["error"]
    workspace.send_control("app", with_scopes=["files:read"])
    assert error == "missing_scope"

    workspace.send_control("delete_file", file=made["file"])
    assert download(address.netloc, address.path, BEARER)[0] == 404
    assert call_and_get_error(client, "files.info", file=made["file"])["error"] == "file_deleted"
    [message] = [m for m in workspace.read_messages(GENERAL) if m["ts"] == made["ts"]]
    assert message["files"] == [{"id": made["file"], "mode": "tombstone"}]


def test_files_lie_elsewhere_or_need_a_look(workspace: Workspace, client: WebClient) -> None:
    """A redirect leads to another host; a file of a shared channel is known to `files.info`."""
    made = workspace.send_control(
        "file", user=ADA, channel=GENERAL,
        files=[
            {"name": "a.py", "content": "x", "redirect": "https://evil.example/"},
            {"name": "b.py", "content": "y", "size": 9_000, "needs_info": True},
        ],
    )  # fmt: skip
    [message] = [m for m in workspace.read_messages(GENERAL) if m["ts"] == made["ts"]]
    address = urllib.parse.urlsplit(message["files"][0]["url_private_download"])
    assert download(address.netloc, address.path, BEARER)[2] == "https://evil.example/"
    assert message["files"][1]["file_access"] == "check_file_info"
    assert "name" not in message["files"][1]
    assert client.files_info(file=made["files"][1])["file"]["size"] == 9_000


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_deleted_file_is_told_to_the_app(slack: InMemoryWorkspace) -> None:
    """Slack names the file alone; its message was changed before, unless it is deleted too."""
    file = slack.workspace.files.reserve_upload(ADA, "a.py", 1)
    slack.workspace.files.store_content(file.id, b"x")
    body = {"user": ADA, "text": "here"}
    for _ in range(2):
        ts = share_files(slack.workspace, GENERAL, body, [file])
    slack.workspace.delete_message(slack.workspace.get_message(GENERAL, ts))
    delete_file(slack.workspace, file.id)
    changes = [change.kind for change in slack.changes[-2:]]
    assert changes == ["message_changed", "file_deleted"]
    builder = EventBuilder(slack.workspace, random.Random(0))  # noqa: S311 - seeded
    [event] = builder.build_events(slack.changes[-1])
    assert (event["type"], event["file_id"]) == ("file_deleted", file.id)
    assert slack.expect_error("files.info", file=file.id) == "file_deleted"


def test_a_file_for_a_deleted_thread_is_not_shared(slack: InMemoryWorkspace) -> None:
    """The share follows the response; a thread deleted in between gets none."""
    file = slack.workspace.files.reserve_upload(STARCHAT, "a.py", 1)
    body = {"user": STARCHAT, "text": "here", "thread_ts": "1.000000"}
    assert share_files(slack.workspace, GENERAL, body, [file]) == ""
    assert file.channels == []
