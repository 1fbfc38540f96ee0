"""Thread reader: whose a file of the bot is, wherever Slack shows it."""

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Thread
from contract.reply_files import FILES_FIELD
from testing.slack_events import BOT_IDENTITY
from testing.workspace import ADA, GENERAL, LIN, Workspace
from tests.bot.handlers.rework_steps import share_file


class SharedThread:
    """A thread with two questions; the file of the first reply is below the second."""

    def __init__(self, workspace: Workspace, web: WebClient, named: dict[int, str]) -> None:
        """Let the first message of each reply name the files `named`; `{}` is the file's id."""
        root = workspace.post_message(ADA, GENERAL, "one")
        self.questions = [root, workspace.post_message(LIN, GENERAL, "two", root)]
        self.thread = Thread(team=BOT_IDENTITY.team, channel=GENERAL, ts=root)
        self.replies = [self._post(web, question, 1) for question in self.questions]
        self.file, self.late = share_file(workspace, web, root)
        for number, files in named.items():
            payload = self._describe(self.questions[number], 1)
            payload[FILES_FIELD] = files.format(self.file)
            self._update(web, self.replies[number], payload)
        self.second_part = self._post(web, self.questions[1], 2)

    def _describe(self, question: str, part: int) -> dict[str, object]:
        return {"job": "x", "part": part, "question": question, "state": "final"}

    def _post(self, web: WebClient, question: str, part: int) -> str:
        payload = self._describe(question, part)
        metadata = {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}
        said = web.chat_postMessage(
            channel=GENERAL, thread_ts=self.thread.ts, text="Yes.", metadata=metadata
        )
        return str(said["ts"])

    def _update(self, web: WebClient, ts: str, payload: dict[str, object]) -> None:
        metadata = {"event_type": keys.METADATA_EVENT_TYPE, "event_payload": payload}
        web.chat_update(channel=GENERAL, ts=ts, text="Yes.", metadata=metadata)


NO_FILES: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("named", "owner"),
    [
        ({0: "F0 {}", 1: ""}, 0),
        ({0: "{}"}, 0),
        # No reply names it: a worker of an earlier version has posted it.
        ({}, 1),
        ({0: ""}, 1),
        # It belongs to none that is there: its reply is about to name it.
        ({1: ""}, None),
    ],
)
def test_file_belongs_to_the_reply_that_names_it(
    redis: Redis,
    workspace: Workspace,
    web: WebClient,
    named: dict[int, str],
    owner: int | None,
) -> None:
    """Or to the one above it, if that names none."""
    shared = SharedThread(workspace, web, named)
    cache = ThreadCache(redis, web, BOT_IDENTITY, page_size=2)
    expected = [[shared.replies[0]], [shared.replies[1], shared.second_part]]
    if owner is not None:
        expected[owner].append(shared.late)

    for question, parts in zip(shared.questions, expected, strict=True):
        found = cache.find_whole_reply(shared.thread, question, NO_FILES)
        assert [raw["ts"] for raw in found] == sorted(parts)
    answered = "" if owner is None else shared.questions[owner]
    assert cache.find_question(shared.thread, shared.late) == answered
    with_files = frozenset() if owner is None else {answered}
    assert cache.find_replies_with_files(shared.thread) == with_files


def test_named_file_counts_without_its_job(
    redis: Redis, workspace: Workspace, web: WebClient
) -> None:
    """Where a file's place says too little, it counts only if it is named."""
    cache = ThreadCache(redis, web, BOT_IDENTITY, page_size=2)
    cases: list[tuple[dict[int, str], bool]] = [({0: "{}"}, True), ({}, False)]
    for named, is_found in cases:
        shared = SharedThread(workspace, web, named)
        for number, question in enumerate(shared.questions):
            found = cache.find_own_messages(shared.thread, question)
            assert (shared.late in found) is (is_found and number == 0)
        by_id = cache.find_own_messages(shared.thread, "", frozenset({shared.file}))
        assert by_id == (shared.late,)
