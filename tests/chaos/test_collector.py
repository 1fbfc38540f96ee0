"""What is collected from a real workspace and from real logs is what happened there."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from chaos.checker import collector
from chaos.checker.collector import collect, token
from chaos.checker.history import Mention, Message, Place, State
from contract import keys
from testing.processes import Process
from testing.workspace import ADA, BOT_TOKEN, DEPLOYBOT, GENERAL, Json, Workspace

TEAM = "T0FAKE0001"
SMALL_PRINT = [{"type": "context", "elements": [{"type": "mrkdwn", "text": "Too much waits."}]}]


@pytest.fixture(scope="module")
def town() -> Iterator[Workspace]:
    """One workspace for all tests here, and nobody who answers."""
    with Workspace() as workspace:
        yield workspace


@pytest.fixture
def client(town: Workspace) -> WebClient:
    """A client that repeats nothing by itself."""
    return WebClient(token=BOT_TOKEN, base_url=town.api_url, retry_handlers=[])


def metadata(question: str, state: str, part: int = 1) -> dict[str, Any]:
    """Return what our workers and our bot say of a message."""
    payload = {"job": "j", "part": part, "question": question, "state": state}
    return {"event_type": keys.METADATA, "event_payload": payload}


def said(town: Workspace, ts: str) -> Message:
    """Return what became of one message of ours."""
    return next(message for message in collect(town).messages if message.ts == ts)


def asked(town: Workspace, ts: str) -> Mention | None:
    """Return a question, if that is what stands there."""
    return next((mention for mention in collect(town).mentions if mention.ts == ts), None)


def test_a_question_is_what_a_person_says_with_a_token(town: Workspace) -> None:
    """In the channel or in a thread; other people's and programs' messages are none."""
    root = town.post(ADA, GENERAL, f"@StarChat echo {token(1)}, please")
    found = asked(town, root)
    assert found is not None
    assert (found.token, found.place) == (token(1), Place(TEAM, GENERAL, root))
    below = asked(town, town.post(ADA, GENERAL, f"echo {token(2)}", root))
    assert below is not None
    assert below.place == found.place
    assert asked(town, town.post(ADA, GENERAL, "@StarChat echo")) is None
    assert asked(town, town.raw_post(GENERAL, f"echo {token(3)}", user=DEPLOYBOT)) is None


def test_a_question_knows_its_deliveries_and_its_deletion(town: Workspace) -> None:
    """Nobody is there to acknowledge it."""
    before = time.monotonic()
    ts = town.post(ADA, GENERAL, f"@StarChat echo {token(4)}")
    town.react(ADA, GENERAL, ts, "eyes")
    town.delete(ADA, GENERAL, ts)
    found = asked(town, ts)
    assert found is not None
    assert {delivery.event for delivery in found.deliveries} == {"app_mention", "message"}
    assert found.acknowledged_at is None
    assert found.deleted_at is not None
    assert before < found.asked_at < found.deleted_at < time.monotonic()
    assert all(before < delivery.sent_at for delivery in found.deliveries)


def test_a_question_knows_when_its_words_changed(town: Workspace) -> None:
    """For the first time; a reaction changes nothing."""
    ts = town.post(ADA, GENERAL, f"echo {token(9)}")
    town.react(ADA, GENERAL, ts, "eyes")
    seen = [asked(town, ts)]
    for word in ("repeat", "say"):
        town.edit(ADA, GENERAL, ts, f"{word} {token(9)}")
        seen.append(asked(town, ts))
    never, once, twice = (found and found.edited_at for found in seen)
    assert never is None
    assert once == twice is not None


def test_our_metadata_says_what_a_message_is(town: Workspace, client: WebClient) -> None:
    """Each version has its own state, look and words, and deletion has its time."""
    root = town.post(ADA, GENERAL, f"@StarChat echo {token(5)}")
    place: dict[str, Any] = {"channel": GENERAL, "thread_ts": root}
    first_told = metadata(root, "placeholder")
    ts = str(client.chat_postMessage(**place, text="…", metadata=first_told)["ts"])
    text = [{"type": "section", "text": {"type": "plain_text", "text": f"say {token(5)}"}}]
    for _ in range(2):
        final = metadata(root, "final", 2)
        client.chat_update(channel=GENERAL, ts=ts, text="see", blocks=text, metadata=final)
    client.chat_delete(channel=GENERAL, ts=ts)
    found = said(town, ts)
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
    assert second.words == {"see", "say", token(5)}
    assert found.deleted_at is not None
    assert first.at < second.at < third.at < found.deleted_at
    assert found.ended_at == second.at


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"text": "Give me a moment."}, State.PLACEHOLDER),
        ({"text": f"*{token(6)}*"}, State.FINAL),
        ({"text": "There was an ERROR."}, State.ERROR),
        ({"text": "Too much waits.", "blocks": SMALL_PRINT}, State.NOTICE),
        (
            {"text": "hi", "metadata": {"event_type": "theirs", "event_payload": {"state": "x"}}},
            State.PLACEHOLDER,
        ),
    ],
)
def test_without_our_metadata_words_say_what_a_message_is(
    town: Workspace, client: WebClient, given: dict[str, Any], state: State
) -> None:
    """For bots that are not ours, and for the notices of ours."""
    ts = str(client.chat_postMessage(channel=GENERAL, **given)["ts"])
    found = said(town, ts)
    assert (found.last.state, found.last.question, found.last.part) == (state, None, "1")


def test_a_message_looks_different_when_its_blocks_do(town: Workspace, client: WebClient) -> None:
    """Its text is only what is read out."""
    ts = str(client.chat_postMessage(channel=GENERAL, text="hi")["ts"])
    client.chat_update(channel=GENERAL, ts=ts, text="hi", blocks=SMALL_PRINT)
    first, second = said(town, ts).versions
    assert first.look != second.look


def test_a_file_is_a_part_of_its_own(town: Workspace, client: WebClient) -> None:
    """It does not count as a second reply."""
    root = town.post(ADA, GENERAL, f"@StarChat echo {token(7)}")
    answer = client.files_upload_v2(
        filename="a.py", content="x = 1\n", channel=GENERAL, thread_ts=root
    )
    file = answer["files"][0]["id"]
    town.wait_for(lambda seen: any(m.get("files") for m in seen), GENERAL, root)
    found = next(m for m in collect(town).messages if m.place.thread == root)
    assert (found.last.part, found.last.state) == (f"file {file}", State.FINAL)


def test_pings_and_unfurls_are_counted(town: Workspace, client: WebClient) -> None:
    """As the workspace would show them to people."""
    text = "<!here> <!channel> https://a.example"
    ts = str(client.chat_postMessage(channel=GENERAL, text=text)["ts"])
    assert (said(town, ts).last.pings, said(town, ts).last.unfurls) == (2, 1)


def test_a_repetition_has_the_same_target(town: Workspace, client: WebClient) -> None:
    """An edit acts on its message, a post on its question, whatever the words are."""
    rule = {"fault": "ratelimited", "method": "chat.*", "retry_after": 3}
    town.faults(rule)
    start = time.monotonic()
    for text in ("one", "two"):
        for ts in ("1.0", "2.0"):
            with pytest.raises(SlackApiError):
                client.chat_update(channel=GENERAL, ts=ts, text=text)
        for question in ("5.0", "6.0"):
            told = metadata(question, "placeholder")
            with pytest.raises(SlackApiError):
                client.chat_postMessage(channel=GENERAL, thread_ts="1.0", text=text, metadata=told)
        with pytest.raises(SlackApiError):
            client.chat_postMessage(channel=GENERAL, thread_ts="1.0", text=f"{text} {token(8)}")
    town.faults()
    calls = [call for call in collect(town).calls if call.at > start]
    once, again = calls[:5], calls[5:]
    assert [call.target for call in once] == [call.target for call in again]
    assert len({call.target for call in once}) == 5
    assert {(c.channel, c.status, c.retry_after) for c in calls} == {(GENERAL, 429, 3.0)}


@pytest.mark.parametrize(("header", "seconds"), [("abc", None), (None, None), (0, 0.0)])
def test_a_retry_after_may_be_nonsense(
    town: Workspace, client: WebClient, header: str | float | None, seconds: float | None
) -> None:
    """Then there is no time to keep."""
    town.faults({"fault": "ratelimited", "count": 1, "retry_after": header})
    with pytest.raises(SlackApiError):
        client.auth_test()
    assert collect(town).calls[-1].retry_after == seconds


def test_logs_are_kept_by_process(town: Workspace) -> None:
    """As whole lines; which secrets are looked for in them is the caller's to say."""
    with Process("fakeslack", "--port", "0") as process:
        process.wait_for_line("fakeslack: http")
        history = collect(town, [process], secrets=["s"])
    assert [line.text for line in history.lines] == process.lines
    assert {line.process for line in history.lines} == {f"fakeslack {process.pid}"}
    assert history.secrets == ("s",)


@pytest.mark.parametrize(
    ("calls", "first", "forgotten"),
    [([], 0, False), ([{"n": 0}], 0, False), ([{"n": 1}], 0, True), ([], 1, True)],
)
def test_what_the_workspace_has_forgotten_is_not_passed_over(
    calls: list[Json], first: int, *, forgotten: bool
) -> None:
    """A history without its beginning could hide anything."""
    assert collector.lacks_beginning(calls, first) == forgotten


def test_tokens_are_unlike_each_other() -> None:
    """In a run and between runs of different seeds; each is found as a whole."""
    tokens = [token(number, seed) for number in range(500) for seed in range(3)]
    assert len(set(tokens)) == len(tokens)
    assert all(
        collector.TOKEN.fullmatch(word) and collector.WORD.fullmatch(word) for word in tokens
    )
    assert token(3, 1) == token(3, 1)
