"""File store: uploads, snippets and shares."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.state.files import File, FileStore
from tests.fakeslack.conftest import ManualClock


def test_a_file_is_reserved_uploaded_and_completed() -> None:
    """A complete upload has Slack's file object and its shares."""
    files = FileStore(ManualClock())
    file = files.reserve_upload("U1", "a.py", 5)
    assert files.store_content(file.id, b"x = 1") is file
    assert files.complete_upload(file.id, "") is file
    shown = file.as_slack("http://slack.test")
    assert (shown["filetype"], shown["mode"], shown["preview"]) == ("python", "snippet", "x = 1")
    assert shown["url_private"].startswith("http://slack.test/files-pri/T0FAKE0001-")
    files.record_share(file, "C1", "1.000000", None)
    files.record_share(file, "C1", "2.000000", "1.000000")
    assert file.channels == ["C1"]
    assert file.shares["C1"][1] == {"ts": "2.000000", "thread_ts": "1.000000"}


def test_invalid_uploads_are_refused() -> None:
    """Unknown snippet types, long snippets, wrong lengths and missing content are refused."""
    files = FileStore(ManualClock())
    with pytest.raises(SlackError, match="unknown_snippet_type"):
        files.reserve_upload("U1", "a", 1, "poem")
    with pytest.raises(SlackError, match="snippet_too_large"):
        files.reserve_upload("U1", "a", 2**20 + 1, "python")
    file = files.reserve_upload("U1", "a.png", 2)
    assert not file.is_text
    with pytest.raises(SlackError, match="file_not_found"):
        files.complete_upload(file.id, "")
    with pytest.raises(SlackError, match="file_update_failed"):
        files.store_content(file.id, b"abc")
    files.store_content(file.id, b"ab")
    with pytest.raises(SlackError, match="file_update_failed"):
        files.store_content(file.id, b"ab")
    files.complete_upload(file.id, "")
    for name in (file.id, "F9"):
        with pytest.raises(SlackError, match="file_not_found"):
            files.complete_upload(name, "")


def test_a_reserved_file_has_no_preview() -> None:
    """A preview needs content."""
    assert "preview" not in File("F1", "U1", "a.py", 3, "python").as_slack("")
