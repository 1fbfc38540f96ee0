"""File reader: a thread's files from Slack and from Redis, and a reason for each unread one."""

from typing import Any

from bot.messages.content.files import read_file_reference
from bot.messages.message import AuthorKind, Message
from contract import keys
from contract.attached_files import CachedFile, FileReference
from contract.conversation import Conversation, Speaker, Turn
from contract.masking import drop_last_word
from testing.reply_harness import ReplyHarness
from testing.workspace import ADA, GENERAL
from worker.files.file_cache import FileCache
from worker.files.file_reader import ThreadFiles
from worker.prompt.builder import Prompt
from worker.prompt.file_excerpts import FileExcerpt, FileText, count_lines

CODE = "def answer():\r\n    return '€ 42'\n"
LOG = "".join(f"step {n}\n" for n in range(1, 4_001))
ALLOWED = {"with_scopes": ["files:read"]}
FORBIDDEN = {"without_scopes": ["files:read"]}


def share_files(reply: ReplyHarness, *files: dict[str, Any]) -> Turn:
    """Share files in the question's thread; return the turn that the bot makes of that."""
    thread_ts = reply.job.thread.ts
    made = reply.harness.workspace.send_control(
        "file", user=ADA, channel=GENERAL, thread_ts=thread_ts, files=list(files)
    )
    thread = reply.harness.workspace.read_messages(GENERAL, thread_ts)
    [raw] = [message for message in thread if message["ts"] == made["ts"]]
    references = [read_file_reference(file) for file in raw["files"]]
    known = tuple(reference for reference in references if reference is not None)
    return Turn(speaker=Speaker.USER, text="look", ts=made["ts"], name="Ada", files=known)


def refer_to(url: str, **more: Any) -> Turn:
    """Return a turn with a file at this address."""
    file = FileReference(id="F1", name="a.py", url=url, **more)
    return Turn(speaker=Speaker.USER, text="look", ts="1.5", files=(file,))


async def read_turns(reply: ReplyHarness, *turns: Turn) -> ThreadFiles:
    """Read the files of turns, as the worker does for the question after them."""
    conversation: Conversation = (*turns, *reply.job.turns)
    return await reply.open_sources().files.read_files(reply.job, conversation)


def describe(files: ThreadFiles) -> str:
    """Return the sentences about files that a prompt shows whole."""
    whole = {
        name: FileExcerpt(text.text, total_lines=count_lines(text.text), is_whole=True)
        for name, text in files.texts.items()
    }
    return str(files.describe_use(Prompt((), 0, 0, excerpts=whole)))


async def queue_job(reply: ReplyHarness) -> None:
    """Put the job's hash into Redis, without which no text is stored."""
    await reply.client.hset(reply.job_key, "status", "started")


def find_cache_key(reply: ReplyHarness) -> str:
    """Return the key of the thread's files."""
    thread = reply.job.thread
    return keys.file_cache(thread.team, thread.channel, thread.ts)


async def test_texts_are_exact_and_the_rest_has_reasons(reply: ReplyHarness) -> None:
    """Code, UTF-16, a picture, a file elsewhere, and one that vanished."""
    turn = share_files(
        reply,
        {"name": "app.py", "content": CODE},
        {"name": "build.log", "base64": "//5hAA0ACgA="},
        {"name": "shot.png", "base64": "iVBORw0KGgo=", "mimetype": "image/png"},
        {"name": "evil.py", "content": "x", "redirect": "https://evil.example/steal"},
        {"name": "gone.py", "content": "x"},
    )
    reply.harness.workspace.send_control("delete_file", file=turn.files[-1].id)
    found = await read_turns(reply, turn)

    assert list(found.texts.values()) == [FileText(CODE), FileText("a\r\n", shows_end=True)]
    assert describe(found) == (
        "Read `app.py` (2 lines) and `build.log` (1 line). I can't read `shot.png`. "
        "Slack no longer has `gone.py`. "
        "I didn't open `evil.py`, because it isn't stored in Slack."
    )


async def test_text_that_is_not_its_bytes_is_marked(reply: ReplyHarness) -> None:
    """A difference would not apply to a file with a byte order mark."""
    await queue_job(reply)
    turn = share_files(
        reply,
        {"name": "app.py", "content": CODE},
        {"name": "build.log", "base64": "//5hAA0ACgA="},
    )
    await read_turns(reply, turn)
    kept = await reply.client.hgetall(find_cache_key(reply))
    files = {
        str(field).partition(":")[0]: CachedFile.from_entry(entry) for field, entry in kept.items()
    }
    found = [files[file.id] for file in turn.files]
    assert found == [CachedFile(text=CODE), CachedFile(text="a\r\n", is_recoded=True)]


async def test_missing_scope_is_one_sentence(reply: ReplyHarness) -> None:
    """It is asked for once: the workspace is remembered as one without the scope."""
    turn = share_files(reply, {"name": "a.py", "content": "x"})
    workspace = reply.harness.workspace
    workspace.send_control("app", **FORBIDDEN)
    try:
        reader = reply.open_sources().files
        first = await reader.read_files(reply.job, (turn, *reply.job.turns))
        since = len(workspace.api_calls())
        second = await reader.read_files(reply.job, (turn, *reply.job.turns))
    finally:
        workspace.send_control("app", **ALLOWED)

    assert describe(first) == (
        "I can't read files here: an administrator can allow me `files:read`."
    )
    assert describe(second) == describe(first)
    assert len(workspace.api_calls()) == since
    assert (await read_turns(reply, turn)).texts, "a new worker finds that it may"


async def test_sign_in_page_of_a_known_file_is_a_refusal(reply: ReplyHarness) -> None:
    """The page is never taken for the file; `files.info` says that the file exists."""
    turn = share_files(reply, {"name": "a.py", "content": "x", "redirect": "/signin"})

    assert describe(await read_turns(reply, turn)) == "Slack didn't let me open `a.py`."


async def test_file_of_a_shared_channel_is_looked_up(reply: ReplyHarness) -> None:
    """Slack says only there where it is, and how it is called."""
    turn = share_files(reply, {"name": "a.py", "content": CODE, "needs_info": True})
    [reference] = turn.files
    found = await read_turns(reply, turn)

    assert (reference.url, reference.label) == ("", "file")
    assert describe(found) == "Read `a.py` (2 lines)."


async def test_odd_files_are_not_downloaded(reply: ReplyHarness) -> None:
    """Canvases and files of other services have no content to download."""
    canvas = await read_turns(reply, refer_to("https://files.slack.com/a", mode="quip"))
    external = await read_turns(reply, refer_to("https://drive.example/a", mode="external"))
    unknown = await read_turns(reply, refer_to(""))

    assert describe(canvas) == "I can't read `a.py`."
    assert describe(external) == "I didn't open `a.py`, because it isn't stored in Slack."
    assert describe(unknown) == "Slack no longer has `a.py`."


async def test_slack_that_is_away_is_no_verdict(reply: ReplyHarness) -> None:
    """The next question tries again: nothing is stored."""
    await queue_job(reply)
    found = await read_turns(reply, refer_to("http://127.0.0.1:1/a"))
    reply.web.base_url = "http://127.0.0.1:1/api/"
    away = await read_turns(reply, refer_to("http://127.0.0.1:1/a"))

    assert describe(found) == "I didn't open `a.py`, because it isn't stored in Slack."
    assert describe(away) == "Slack didn't send me `a.py` in time. Please ask again."
    assert not await reply.client.exists(find_cache_key(reply))


async def test_long_and_mislabeled_files_are_read_by_their_bytes(reply: ReplyHarness) -> None:
    """Slack's size is not trusted, and what exceeds the bound is left out visibly."""
    turn = share_files(
        reply,
        {"name": "big.log", "content": LOG * 10, "size": 5},
        {"name": "small.py", "content": "x = 1\n", "size": 2**40},
    )
    found = await read_turns(reply, turn)
    big, small = found.texts.values()

    # The last word may be a part of a secret.
    assert (len(drop_last_word((LOG * 10)[: 256 * 1024])), True) == (len(big.text), big.is_cut)
    assert (LOG * 10).startswith(big.text)
    assert small == FileText("x = 1\n")


async def test_follow_up_reuses_what_was_read(reply: ReplyHarness) -> None:
    """A retry or a later question of the thread downloads nothing again."""
    await queue_job(reply)
    turn = share_files(
        reply,
        {"name": "a.py", "content": CODE},
        {"name": "b.png", "base64": "iVBORw0KGgo="},
    )
    first = await read_turns(reply, turn)
    for file in turn.files:
        reply.harness.workspace.send_control("delete_file", file=file.id)
    second = await read_turns(reply, turn)

    assert describe(second) == describe(first) == "Read `a.py` (2 lines). I can't read `b.png`."
    key = find_cache_key(reply)
    assert 0 < await reply.client.ttl(key) <= keys.TEXT_TTL_SECONDS
    team = reply.job.thread.team
    assert await reply.client.zscore(keys.text_index(team), key)
    assert int(await reply.client.hget(keys.text_sizes(team), key) or 0) > len(CODE)


async def test_deleted_message_or_job_stores_nothing(reply: ReplyHarness) -> None:
    """A download may end after a deletion."""
    turn = share_files(reply, {"name": "a.py", "content": CODE})
    await reply.client.delete(reply.job_key)
    await read_turns(reply, turn)
    assert not await reply.client.exists(find_cache_key(reply))

    await queue_job(reply)
    thread = reply.job.thread
    cache = keys.thread_cache(thread.team, thread.channel, thread.ts)
    await reply.client.hset(cache, turn.ts, "1700000000.000100 ")
    await read_turns(reply, turn)
    assert not await reply.client.exists(find_cache_key(reply))

    message = Message(ts=turn.ts, kind=AuthorKind.PERSON, author=ADA, text="look")
    await reply.client.hset(cache, turn.ts, f"1700000000.000100 {message.model_dump_json()}")
    await read_turns(reply, turn)
    assert await reply.client.exists(find_cache_key(reply))


async def test_odd_entries_are_read_again(reply: ReplyHarness) -> None:
    """Redis may hold anything, also under a key of another type."""
    await queue_job(reply)
    turn = share_files(reply, {"name": "a.py", "content": CODE})
    key = find_cache_key(reply)
    field = keys.file_field(turn.files[0].id, turn.ts)
    for odd in ('{"text": 7}', "no json", '{"text": "a", "more": 1}'):
        await reply.client.hset(key, field, odd)
        assert (await read_turns(reply, turn)).texts[turn.files[0].id].text in {CODE, "a"}
    await reply.client.delete(key)
    await reply.client.set(key, "a string")
    assert describe(await read_turns(reply, turn)) == "Read `a.py` (2 lines)."


async def test_thread_s_oldest_files_make_room(reply: ReplyHarness) -> None:
    """The texts of a thread are bounded in bytes."""
    await queue_job(reply)
    cache = FileCache(reply.client)
    for n in range(1, 12):
        await cache.store_file(reply.job, (f"F{n}", f"{n:010}.5"), CachedFile(text="x" * 250_000))
    fields = map(str, await reply.client.hkeys(find_cache_key(reply)))

    assert sorted(int(field.split(":")[1].split(".")[0]) for field in fields) == [*range(4, 12)]


async def test_thread_without_files_makes_no_call(reply: ReplyHarness) -> None:
    """Most questions have none; older ones beyond the bound are counted."""
    left = Turn(speaker=Speaker.USER, text="a", ts="1.5", files_left_out=22)

    assert await read_turns(reply) == ThreadFiles()
    assert describe(await read_turns(reply, left)) == (
        "I left out 22 older files, because I read at most 8 in a thread."
    )
