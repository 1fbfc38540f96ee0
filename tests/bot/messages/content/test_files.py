"""Files of messages: references for the worker, bounded and validated."""

from typing import Any

import pytest

from bot.handlers.job_builder import MAX_TURNS_BYTES
from bot.messages.content.files import read_file_reference
from bot.messages.conversation import build_conversation, limit_files
from bot.messages.message import Message
from contract.attached_files import MAX_FILES_PER_THREAD, FileReference
from contract.conversation import Conversation
from testing.slack_events import (
    BOT_IDENTITY,
    LIN,
    MENTION,
    make_message,
    make_message_event,
    message_ts,
)

Json = dict[str, Any]
URL = "https://files.slack.com/files-pri/T1-F1/app.py"


def make_file(number: int = 1, **more: Any) -> Json:
    """Return a file as Slack describes it."""
    file = {"id": f"F{number}", "name": f"{number}.py", "title": f"{number}.py", "size": 9}
    return {**file, "mimetype": "text/plain", "filetype": "python", "mode": "hosted", **more}


def read_turns(*raw: Json) -> Conversation:
    """Return the conversation of messages up to the last."""
    messages = [Message.from_slack(message, BOT_IDENTITY) for message in raw]
    known = [message for message in messages if message is not None]
    return build_conversation(known, until=raw[-1]["ts"], identity=BOT_IDENTITY, names={})


def test_reference_has_what_a_worker_needs() -> None:
    """The address to download comes first, and the title only if it says more than the name."""
    file = make_file(name="app.py", title="The server", url_private="https://x/", size=7)
    found = read_file_reference({**file, "url_private_download": URL})

    assert found == FileReference(
        id="F1", name="app.py", title="The server", mimetype="text/plain", filetype="python",
        mode="hosted", size=7, url=URL,
    )  # fmt: skip
    assert found.label == "The server (app.py)"
    plain = read_file_reference(make_file(url_private="https://x/"))
    assert plain is not None
    assert (plain.title, plain.label, plain.url) == ("", "1.py", "https://x/")


def test_snippet_keeps_the_lines_that_slack_shows() -> None:
    """They stand in for a file that cannot be read."""
    found = read_file_reference(make_file(mode="snippet", preview="x = 1", lines_more=3))
    long = read_file_reference(make_file(mode="snippet", preview="x = 1\n" * 666 + "a1" * 9))

    assert found is not None
    assert (found.preview, found.has_more) == ("x = 1", True)
    assert long is not None
    assert (len(long.preview), long.has_more) == (3_996, True)


@pytest.mark.parametrize(
    "odd",
    [
        {"id": ""}, {"id": "F1/../x"}, {"id": 7.5}, {"mode": "tombstone"},
        {"mode": "hidden_by_limit"}, {"id": "F" * 101}, {"id": "F1\n"},
    ],
    ids=repr,
)  # fmt: skip
def test_file_without_id_or_content_has_no_reference(odd: Json) -> None:
    """A deleted file is not read, and a hostile id reaches no address."""
    assert read_file_reference(make_file(**odd)) is None


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/a", "//x/a", "https://x/a b", "https://x\\@evil/", "https://é/", "", 7,
        "https://x/" + "a" * 1_000,
    ],
    ids=lambda url: str(url)[:20],
)  # fmt: skip
def test_odd_address_is_dropped(url: object) -> None:
    """Slack's `files.info` may know a better one."""
    found = read_file_reference(make_file(url_private=url, url_private_download=url))

    assert found is not None
    assert found.url == ""


def test_hostile_words_are_bounded_and_on_one_line() -> None:
    """Names of 10,000 characters, with line ends, markup and lone surrogates."""
    name = "<!channel>\n*x*\ud800" + "n" * 10_000
    odd = make_file(name=name, title=name, filetype="a b", mimetype="\n", size=-1, mode="x" * 200)
    found = read_file_reference(odd)

    assert found is not None
    assert (len(found.name), found.title, found.size) == (200, "", 0)
    assert (found.filetype, found.mimetype, found.mode) == ("", "", "")
    assert found.label.startswith("<!channel> *x*?nn")
    assert "\n" not in found.label


def test_question_with_a_file_alone_is_a_question() -> None:
    """A mention with a text file asks about it; with a picture it says nothing."""
    text = make_message_event(1, MENTION, files=[make_file()])
    picture = make_message_event(1, MENTION, files=[make_file(mimetype="image/png")])

    assert (text.has_attachments, picture.has_attachments) == (True, False)


def test_files_of_other_messages_travel_with_their_turns() -> None:
    """A follow-up sees the files of the thread; a message of files alone is a turn."""
    turns = read_turns(
        make_message(1, "", files=[make_file(1)]), make_message(2, MENTION, files=[make_file(2)])
    )

    assert [[file.id for file in turn.files] for turn in turns] == [["F1"], ["F2"]]
    assert [turn.text for turn in turns] == ["", ""]


def test_thread_is_bounded_to_the_newest_files() -> None:
    """30 files: the question's first, then the newest; the others are named and counted."""
    turns = read_turns(
        make_message(1, "old", files=[make_file(n) for n in range(1, 21)]),
        make_message(2, "new", files=[make_file(n) for n in range(21, 25)]),
        make_message(3, f"{MENTION} why?", files=[make_file(n) for n in range(25, 31)]),
    )

    assert [len(turn.files) for turn in turns] == [0, 2, 6]
    assert [turn.files_left_out for turn in turns] == [20, 2, 0]
    assert sum(len(turn.files) for turn in turns) == MAX_FILES_PER_THREAD
    assert turns[1].text == "new\n(attached file: 23.py)\n(attached file: 24.py)"
    assert limit_files(turns) == turns
    assert sum(len(turn.model_dump_json()) for turn in turns) < MAX_TURNS_BYTES


def test_file_shown_by_a_block_is_not_read() -> None:
    """A `file` block shows a file that lies outside Slack."""
    blocks = [{"type": "file", "external_id": "x", "source": "remote", "file": make_file(1)}]
    [turn] = read_turns(make_message(1, "", blocks=blocks, files=[make_file(1)]))

    assert turn.files == ()
    assert turn.text.count("1.py") == 1


def test_file_whose_name_its_author_writes_is_read() -> None:
    """A comment may be the name of the file."""
    [turn] = read_turns(make_message(1, "1.py", files=[make_file(1)]))

    assert [file.id for file in turn.files] == ["F1"]


def test_forwarded_message_names_its_files() -> None:
    """Only the files of the thread's own messages are read."""
    entry = {"message": {"text": "look", "user": LIN, "files": [make_file(5)]}}
    attachment = {"is_share": True, "message_blocks": [entry]}
    [turn] = read_turns(make_message(1, MENTION, attachments=[attachment]))

    assert turn.files == ()
    assert "(attached file: 5.py)" in turn.text
    assert turn.ts == message_ts(1)
