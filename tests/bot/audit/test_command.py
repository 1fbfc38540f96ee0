"""Command `python -m bot reply`: all that is known about a reply, and nothing of its text."""

import json
from functools import partial

import pytest
from redis import Redis

from bot.audit.command import run_audit
from bot.messages.votes.presses import Mark, Press, PressKind
from bot.records.database import Records
from bot.records.votes import ReplyKey, VotedReply, add_press
from contract import keys
from contract.answers import Answer, previous_field
from contract.code_verdicts import CodeVerdict, VerdictKind
from contract.reply_details import ReplyDetails
from testing.earlier_answers import EARLIER
from testing.redis_server import RedisServer

REPLY_ID = "0a1b2c3d4e5f"
DETAILS = ReplyDetails(
    reply_id=REPLY_ID,
    model="starchat-beta",
    revision="b1bcda6",
    seed=41,
    gpu_ms=600,
    hints=1,
    verdicts=(CodeVerdict(kind=VerdictKind.PARSES, code="python"),),
)
TEXT = "text of the reply"
VOTE = Press(ts="3.0", kind=PressKind.TOGGLE, mark=Mark.UP)


@pytest.fixture(autouse=True)
def environment(
    server: RedisServer, redis: Redis, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot's environment, with an empty Redis."""
    assert redis.dbsize() == 1
    for name, value in {
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "REDIS_URL": server.url,
        "DATABASE_URL": database_url,
    }.items():
        monkeypatch.setenv(name, value)


def test_reply_is_found_in_redis_and_in_the_database(
    redis: Redis, records: Records, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has its source; another reply, and another version's entry, are left out."""
    answer = Answer(text=TEXT, reply_id=REPLY_ID, details=DETAILS.to_value())
    other = answer.model_copy(update={"reply_id": "ff"})
    cache = keys.answer_cache("T1", "C1", "1.0")
    redis.hset(cache, "2.0", other.model_dump_json())
    redis.hset(cache, previous_field("2.0"), answer.model_dump_json())
    redis.hset(cache, "4.0", "of a later version")
    reply = VotedReply("1.0", DETAILS.to_value(), json.dumps([TEXT]), TEXT)
    key = ReplyKey("T1", "C1", "2.5", REPLY_ID)
    records.write(partial(add_press, key=key, user="U1", press=VOTE, reply=reply))
    capsys.readouterr()

    assert run_audit([REPLY_ID]) == 0
    written = capsys.readouterr().out
    cached, recorded = (json.loads(line) for line in written.splitlines())
    assert TEXT not in written
    for line in (cached, recorded):
        assert (line["seed"], line["revision"], line["hints"]) == (41, "b1bcda6", 1)
        assert line["checks"] == "python: parses"
    assert (cached["source"], cached["question_ts"], cached["is_previous"]) == (
        "redis",
        "2.0",
        True,
    )
    assert cached["points_to_earlier_answer"] is False
    assert recorded["source"] == "database"
    assert recorded["votes"] == [{"opinion": "up", "reason": None, "ran": False, "voted_at": "3.0"}]


def test_pointer_to_an_earlier_answer_is_told(
    redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not to whose, and not to which."""
    pointer = Answer(text="", reply_id="ab", earlier_answer=EARLIER)
    redis.hset(keys.answer_cache("T1", "C1", "1.0"), "2.0", pointer.model_dump_json())
    assert run_audit(["ab"]) == 0
    written = capsys.readouterr().out
    assert json.loads(written.splitlines()[-1])["points_to_earlier_answer"] is True
    assert EARLIER.author_name not in written
    assert EARLIER.permalink not in written


def test_unknown_reply_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It says where else to look; facts that are not readable are none."""
    assert run_audit(["ff"]) == 1
    assert "nothing is known about that reply" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REDIS_URL", "redis://:s3cr3t@127.0.0.1:1/0", "Redis is not available (ConnectionError)"),
        ("DATABASE_URL", "postgresql://u:s3cr3t@127.0.0.1:1/d", "the database is not available"),
    ],
)
def test_what_is_away_is_one_line(
    name: str,
    value: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the password."""
    monkeypatch.setenv(name, value)
    assert run_audit([REPLY_ID]) == 1
    written = capsys.readouterr().err

    assert said in written
    assert "s3cr3t" not in written


@pytest.mark.parametrize("name", ["", "0A", "x", "0" * 17, "*"])
def test_wrong_id_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit status 2."""
    with pytest.raises(SystemExit) as raised:
        run_audit([name])
    assert raised.value.code == 2
    assert "not the id of a reply" in capsys.readouterr().err
