"""`files.*`: three-step uploads, file information and downloads."""

import http.client
import urllib.parse

import aiohttp
import pytest
from slack_sdk import WebClient
from slack_sdk.web.async_client import AsyncWebClient

from fakeslack.web_api.files import share_files
from testing.in_memory_workspace import STARCHAT, InMemoryWorkspace
from testing.workspace import ADA, BOT_TOKEN, GENERAL, PYTHON, Workspace, message_texts
from tests.fakeslack.web_api.conftest import call_and_get_error

BEARER = {"Authorization": f"Bearer {BOT_TOKEN}"}


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
    for headers, body in ((BEARER, b"x = 1\n"), ({}, b"<!DOCTYPE html>")):
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        connection.request("GET", f"{address.path}?{address.query}", headers=headers)
        assert connection.getresponse().read().startswith(body)
        connection.close()


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


def test_a_person_shares_a_file(workspace: Workspace, client: WebClient) -> None:
    """The bot sees a file in a person's message."""
    made = workspace.send_control(
        "file", user=ADA, channel=GENERAL, name="a.py", content="x = 1", text="look"
    )
    found = client.files_info(file=made["file"])["file"]
    assert (found["user"], found["filetype"]) == (ADA, "python")
    assert found["shares"]["public"][GENERAL] == [{"ts": made["ts"]}]


@pytest.fixture
def slack() -> InMemoryWorkspace:
    """A fresh workspace."""
    return InMemoryWorkspace()


def test_a_file_for_a_deleted_thread_is_not_shared(slack: InMemoryWorkspace) -> None:
    """The share follows the response; a thread deleted in between gets none."""
    file = slack.workspace.files.reserve_upload(STARCHAT, "a.py", 1)
    body = {"user": STARCHAT, "text": "here", "thread_ts": "1.000000"}
    assert share_files(slack.workspace, GENERAL, body, [file]) == ""
    assert file.channels == []
