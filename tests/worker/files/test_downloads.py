"""Downloads: the token goes to Slack alone; bytes, redirects and seconds are bounded."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from yarl import URL

from testing.http_proxy import HttpProxy
from testing.workspace import BOT_TOKEN
from tests.worker.files.file_server import CODE, FileServer, serve_files
from worker.files.downloads import (
    MAX_FILE_BYTES,
    Download,
    FileDownloads,
    UnreadableFileError,
    is_slack_address,
)
from worker.metrics import Metrics
from worker.render.file_notes import UnreadReason
from worker.slack.client import open_web_client
from worker.slack.rate_limits import TokenBuckets

API = URL("https://slack.com/api/")
BEARER = f"Bearer {BOT_TOKEN}"


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    """A server of files that is also the server of the Web API."""
    async with serve_files() as server:
        yield server


@pytest.fixture
async def foreign() -> AsyncIterator[FileServer]:
    """A server of another host."""
    async with serve_files() as server:
        yield server


@pytest.fixture
async def downloads(files: FileServer, loop_client: Redis) -> AsyncIterator[FileDownloads]:
    """Downloads by the worker's client."""
    await loop_client.flushall()
    async with AsyncExitStack() as stack:
        client = await open_web_client(BOT_TOKEN, f"{files.url}/api/", stack)
        yield FileDownloads(client, TokenBuckets(loop_client), Metrics())


async def find_reason(downloads: FileDownloads, url: str) -> UnreadReason:
    """Return why a download fails."""
    with pytest.raises(UnreadableFileError) as caught:
        await downloads.download_file(url, "T1")
    return caught.value.reason


async def test_file_is_downloaded_byte_for_byte(
    files: FileServer, downloads: FileDownloads
) -> None:
    """The token is sent with the request, and with that of a redirect on the same host."""
    direct = await downloads.download_file(f"{files.url}/app.py", "T1")
    redirected = await downloads.download_file(f"{files.url}/redirect.py", "T1")

    assert direct == Download(CODE, is_cut=False, content_type="text/plain", is_redirected=False)
    assert redirected == replace(direct, is_redirected=True)
    assert set(files.authorizations.values()) == {BEARER}


@pytest.mark.parametrize("name", ["foreign.py", "userinfo.py"])
async def test_token_never_leaves_for_another_host(
    files: FileServer, foreign: FileServer, downloads: FileDownloads, name: str
) -> None:
    """Neither a file's own address nor a redirect leads there: no request is made at all."""
    files.other_url = foreign.url

    assert await find_reason(downloads, f"{foreign.url}/app.py") is UnreadReason.OUTSIDE
    assert await find_reason(downloads, f"{files.url}/{name}") is UnreadReason.OUTSIDE
    assert foreign.num_requests == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("404.py", UnreadReason.GONE), ("410.py", UnreadReason.GONE),
        ("403.py", UnreadReason.DENIED), ("loop", UnreadReason.DENIED),
        ("gzip.log", UnreadReason.NOT_TEXT), ("picture.txt", UnreadReason.NOT_TEXT),
        ("500.py", UnreadReason.UNAVAILABLE), ("short.py", UnreadReason.UNAVAILABLE),
        ("nowhere", UnreadReason.DENIED),
    ],
)  # fmt: skip
async def test_each_failure_has_its_reason(
    files: FileServer, downloads: FileDownloads, name: str, reason: UnreadReason
) -> None:
    """Vanished, refused, a decompression bomb, a picture, an error, a response cut short."""
    assert await find_reason(downloads, f"{files.url}/{name}") is reason


async def test_endless_file_is_cut(files: FileServer, downloads: FileDownloads) -> None:
    """The rest is not even received: the connection is closed."""
    found = await downloads.download_file(f"{files.url}/endless.log", "T1")

    assert (len(found.content), found.is_cut) == (MAX_FILE_BYTES, True)
    assert files.bytes_sent < 64 * MAX_FILE_BYTES


@pytest.mark.parametrize("name", ["busy.py", "broken.py"])
async def test_passing_error_is_tried_again(
    files: FileServer, downloads: FileDownloads, name: str
) -> None:
    """After a rate limit and after a server error."""
    found = await downloads.download_file(f"{files.url}/{name}", "T1")

    assert (found.content, files.num_requests) == (CODE, 2)


async def test_slow_drip_ends_at_the_time_limit(files: FileServer, loop_client: Redis) -> None:
    """One byte at a time keeps no reply waiting."""
    async with AsyncExitStack() as stack:
        client = await open_web_client(BOT_TOKEN, f"{files.url}/api/", stack)
        buckets = TokenBuckets(loop_client)
        hasty = FileDownloads(client, buckets, Metrics(), seconds=0.3)

        assert await find_reason(hasty, f"{files.url}/drip.log") is UnreadReason.UNAVAILABLE


async def test_unreachable_host_is_unavailable(downloads: FileDownloads, files: FileServer) -> None:
    """A refused connection is no verdict on the file."""
    url = f"{files.url}/app.py"
    await files.server.close()

    assert await find_reason(downloads, url) is UnreadReason.UNAVAILABLE


async def test_download_takes_the_proxy(
    monkeypatch: pytest.MonkeyPatch, files: FileServer, downloads: FileDownloads
) -> None:
    """It follows the same proxy rules as every other call."""
    with HttpProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        await downloads.download_file(f"{files.url}/app.py", "T1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await downloads.download_file(f"{files.url}/app.py", "T1")

    assert proxy.targets == ["/app.py"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.py", True),
        ("https://acme.slack.com/?redir=a", True),
        ("https://slack.com/api/", True),
        ("https://FILES.SLACK.COM:443/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://files.slack.com.evil.example/a", False),
        ("https://evilslack.com/a", False),
        ("https://evil.example/files.slack.com/", False),
        ("https://files.slack.com@evil.example/", False),
        ("https://user:pass@files.slack.com/", False),
        ("https://files.slack.com\\@evil.example/", False),
        ("https://files.slack.com./a", False),
        ("https://files.slack\u3002com/a", True),
        ("ftp://files.slack.com/a", False),
        ("file:///etc/passwd", False),
        ("//files.slack.com/a", False),
        ("/a", False),
        ("", False),
    ],
)
def test_only_slack_s_addresses_get_a_token(address: str, expected: bool) -> None:  # noqa: FBT001
    """The address is parsed by the library that calls it, so both read the same host."""
    try:
        found = is_slack_address(URL(address), API)
    except ValueError:
        found = False
    assert found is expected


def test_own_server_is_trusted_by_origin() -> None:
    """A local workspace serves its files under the address of its Web API, and nowhere else."""
    local = URL("http://127.0.0.1:8065/api/")

    assert is_slack_address(URL("http://127.0.0.1:8065/files-pri/a"), local)
    assert not is_slack_address(URL("http://127.0.0.1:8066/files-pri/a"), local)
    assert not is_slack_address(URL("https://127.0.0.1:8065/files-pri/a"), local)
