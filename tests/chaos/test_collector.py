"""Collector: the history of a real workspace and of real logs."""

import time
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from chaos.checker import collector
from chaos.checker.collector import collect_history, make_token
from chaos.checker.history import Mention, Message, Place, State
from contract import keys
from testing.processes import Process
from testing.workspace import ADA, BOT_TOKEN, DEPLOYBOT, GENERAL, LIN, Json, Workspace

TEAM = "T0FAKE0001"
CONTEXT_BLOCKS = [{"type": "context", "elements": [{"type": "mrkdwn", "text": "Too much waits."}]}]


@pytest.fixture
def client(workspace: Workspace) -> WebClient:
    """Return a client without retries."""
    return WebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[])


def make_metadata(question: str, state: str, part: int = 1) -> dict[str, Any]:
    """Return metadata as the product sets it."""
    payload = {"job": "j", "part": part, "question": question, "state": state}
    return {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}


def find_own_message(workspace: Workspace, ts: str) -> Message:
    """Return the history of one of the app's messages."""
    return next(message for message in collect_history(workspace).messages if message.ts == ts)


def find_mention(workspace: Workspace, ts: str) -> Mention | None:
    """Return the mention with this timestamp, `None` if there is none."""
    return next(
        (mention for mention in collect_history(workspace).mentions if mention.ts == ts), None
    )


def test_question_is_a_user_message_with_a_token(workspace: Workspace) -> None:
    """In the channel or in a thread; messages without a token or of a program are none."""
    root = workspace.post_message(ADA, GENERAL, f"@StarChat echo {make_token(1)}, please")
    found = find_mention(workspace, root)
    assert found is not None
    assert (found.token, found.place) == (make_token(1), Place(TEAM, GENERAL, root))
    below = find_mention(
        workspace, workspace.post_message(ADA, GENERAL, f"echo {make_token(2)}", root)
    )
    assert below is not None
    assert below.place == found.place
    assert find_mention(workspace, workspace.post_message(ADA, GENERAL, "@StarChat echo")) is None
    assert (
        find_mention(
            workspace, workspace.post_raw(GENERAL, f"echo {make_token(3)}", user=DEPLOYBOT)
        )
        is None
    )


def test_mention_has_deliveries_and_deletion_time(workspace: Workspace) -> None:
    """Without an app there is no acknowledgement."""
    before = time.monotonic()
    ts = workspace.post_message(ADA, GENERAL, f"@StarChat echo {make_token(4)}")
    workspace.set_reaction(ADA, GENERAL, ts, "eyes")
    workspace.delete_message(ADA, GENERAL, ts)
    found = find_mention(workspace, ts)
    assert found is not None
    assert {delivery.event for delivery in found.deliveries} == {"app_mention", "message"}
    assert found.acknowledged_at is None
    assert found.deleted_at is not None
    assert before < found.asked_at < found.deleted_at < time.monotonic()
    assert all(before < delivery.sent_at for delivery in found.deliveries)


def test_mention_has_the_time_of_its_first_edit(workspace: Workspace) -> None:
    """Later edits and reactions do not change it."""
    ts = workspace.post_message(ADA, GENERAL, f"echo {make_token(9)}")
    workspace.set_reaction(ADA, GENERAL, ts, "eyes")
    seen = [find_mention(workspace, ts)]
    for word in ("repeat", "say"):
        workspace.edit_message(ADA, GENERAL, ts, f"{word} {make_token(9)}")
        seen.append(find_mention(workspace, ts))
    never, once, twice = (found and found.edited_at for found in seen)
    assert never is None
    assert once == twice is not None


def test_metadata_gives_state_part_and_question(workspace: Workspace, client: WebClient) -> None:
    """Each version has its state, look and words; the deletion has its time."""
    root = workspace.post_message(ADA, GENERAL, f"@StarChat echo {make_token(5)}")
    place: dict[str, Any] = {"channel": GENERAL, "thread_ts": root}
    first_told = make_metadata(root, "placeholder")
    ts = str(client.chat_postMessage(**place, text="…", metadata=first_told)["ts"])
    text = [{"type": "section", "text": {"type": "plain_text", "text": f"say {make_token(5)}"}}]
    for _ in range(2):
        final = make_metadata(root, "final", 2)
        client.chat_update(channel=GENERAL, ts=ts, text="see", blocks=text, metadata=final)
    client.chat_delete(channel=GENERAL, ts=ts)
    found = find_own_message(workspace, ts)
    assert found.place == Place(TEAM, GENERAL, root)
    assert [version.state for version in found.versions] == [
        State.PLACEHOLDER,
        State.FINAL,
        State.FINAL,
    ]
    first, second, third = found.versions
    assert (first.look == second.look, second.look == third.look) == (False, True)
    assert (first.part, second.part) == ("1", "2")
    assert {first.question, second.question} == {root}
    assert second.words == {"see", "say", make_token(5)}
    assert found.deleted_at is not None
    assert first.at < second.at < third.at < found.deleted_at
    assert found.ended_at == second.at


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"text": "Give me a moment."}, State.PLACEHOLDER),
        ({"text": f"*{make_token(6)}*"}, State.FINAL),
        ({"text": "There was an ERROR."}, State.ERROR),
        ({"text": "Too much waits.", "blocks": CONTEXT_BLOCKS}, State.NOTICE),
        (
            {"text": "hi", "metadata": {"event_type": "theirs", "event_payload": {"state": "x"}}},
            State.PLACEHOLDER,
        ),
    ],
)
def test_state_is_inferred_without_metadata(
    workspace: Workspace, client: WebClient, given: dict[str, Any], state: State
) -> None:
    """State of the baselines' messages, and of the product's notices."""
    ts = str(client.chat_postMessage(channel=GENERAL, **given)["ts"])
    found = find_own_message(workspace, ts)
    assert (found.last_version.state, found.last_version.question, found.last_version.part) == (
        state,
        None,
        "1",
    )


def test_changed_blocks_change_the_look(workspace: Workspace, client: WebClient) -> None:
    """The fallback text is the same."""
    ts = str(client.chat_postMessage(channel=GENERAL, text="hi")["ts"])
    client.chat_update(channel=GENERAL, ts=ts, text="hi", blocks=CONTEXT_BLOCKS)
    first, second = find_own_message(workspace, ts).versions
    assert first.look != second.look


def test_file_is_a_separate_part(workspace: Workspace, client: WebClient) -> None:
    """A file is not a second reply."""
    root = workspace.post_message(ADA, GENERAL, f"@StarChat echo {make_token(7)}")
    answer = client.files_upload_v2(
        filename="a.py", content="x = 1\n", channel=GENERAL, thread_ts=root
    )
    file = answer["files"][0]["id"]
    workspace.wait_for_messages(lambda seen: any(m.get("files") for m in seen), GENERAL, root)
    found = next(m for m in collect_history(workspace).messages if m.place.thread == root)
    assert (found.last_version.part, found.last_version.state) == (f"file {file}", State.FINAL)


@pytest.mark.parametrize(("words", "pings"), [(f"for <@{ADA}>", 0), (f"<@{ADA}> <@{LIN}>", 2)])
def test_files_mention_one_person(
    workspace: Workspace, client: WebClient, words: str, pings: int
) -> None:
    """The words above current code name the person who asked for it."""
    root = workspace.post_message(ADA, GENERAL, f"@StarChat echo {make_token(8)}")
    client.files_upload_v2(
        filename="a.py",
        content="x = 1\n",
        channel=GENERAL,
        thread_ts=root,
        initial_comment=words,
    )
    workspace.wait_for_messages(lambda seen: any(m.get("files") for m in seen), GENERAL, root)
    found = next(m for m in collect_history(workspace).messages if m.place.thread == root)
    assert found.last_version.pings == pings


def test_pings_and_unfurls_are_counted(workspace: Workspace, client: WebClient) -> None:
    """The workspace counts them as users see them."""
    text = "<!here> <!channel> https://a.example"
    ts = str(client.chat_postMessage(channel=GENERAL, text=text)["ts"])
    assert (
        find_own_message(workspace, ts).last_version.pings,
        find_own_message(workspace, ts).last_version.unfurls,
    ) == (2, 1)


def test_repeated_call_has_the_same_target(workspace: Workspace, client: WebClient) -> None:
    """An edit's target is its message, a post's its question, independent of the text."""
    rule = {"fault": "ratelimited", "method": "chat.*", "retry_after": 3}
    workspace.set_faults(rule)
    start = time.monotonic()
    for text in ("one", "two"):
        for ts in ("1.0", "2.0"):
            with pytest.raises(SlackApiError):
                client.chat_update(channel=GENERAL, ts=ts, text=text)
        for question in ("5.0", "6.0"):
            told = make_metadata(question, "placeholder")
            with pytest.raises(SlackApiError):
                client.chat_postMessage(channel=GENERAL, thread_ts="1.0", text=text, metadata=told)
        with pytest.raises(SlackApiError):
            client.chat_postMessage(
                channel=GENERAL, thread_ts="1.0", text=f"{text} {make_token(8)}"
            )
    workspace.set_faults()
    calls = [call for call in collect_history(workspace).calls if call.at > start]
    once, again = calls[:5], calls[5:]
    assert [call.target for call in once] == [call.target for call in again]
    assert len({call.target for call in once}) == 5
    assert {(c.channel, c.status, c.retry_after) for c in calls} == {(GENERAL, 429, 3.0)}


@pytest.mark.parametrize(("header", "seconds"), [("abc", None), (None, None), (0, 0.0)])
def test_invalid_retry_after_is_none(
    workspace: Workspace, client: WebClient, header: str | float | None, seconds: float | None
) -> None:
    """The caller then has no time to wait for."""
    workspace.set_faults({"fault": "ratelimited", "count": 1, "retry_after": header})
    with pytest.raises(SlackApiError):
        client.auth_test()
    assert collect_history(workspace).calls[-1].retry_after == seconds


def test_log_lines_are_collected_per_process(workspace: Workspace) -> None:
    """Lines are whole, and the caller names the secrets."""
    with Process("fakeslack", "--port", "0") as process:
        process.wait_for_line("fakeslack: http")
        history = collect_history(workspace, [process], secrets=["s"])
    assert [line.text for line in history.lines] == process.lines
    assert {line.process for line in history.lines} == {f"fakeslack {process.pid}"}
    assert history.secrets == ("s",)


@pytest.mark.parametrize(
    ("calls", "first", "forgotten"),
    [([], 0, False), ([{"number": 0}], 0, False), ([{"number": 1}], 0, True), ([], 1, True)],
)
def test_history_without_its_beginning_is_rejected(
    calls: list[Json], first: int, *, forgotten: bool
) -> None:
    """A history without its beginning could hide violations."""
    assert collector.lacks_beginning(calls, first) == forgotten


def test_tokens_are_unique_across_numbers_and_seeds() -> None:
    """Tokens differ in a run and between seeds, and match the pattern as a whole."""
    tokens = [make_token(number, seed) for number in range(500) for seed in range(3)]
    assert len(set(tokens)) == len(tokens)
    assert all(
        collector.TOKEN_PATTERN.fullmatch(word) and collector.WORD_PATTERN.fullmatch(word)
        for word in tokens
    )
    assert make_token(3, 1) == make_token(3, 1)
