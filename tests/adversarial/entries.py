"""What somebody with a hand in Redis could put on the queue: code to run, bombs, broken jobs."""

import json
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contract.conversation import Speaker, Turn
from contract.job import Job, Thread, job_id
from tests.adversarial.case import Case, Door, End, Entry, Json, cases
from tests.adversarial.envelopes import WORD

CATEGORY: Final = "entry"
TEAM: Final = "T0FAKE0001"
CHANNEL: Final = "C0GENERAL1"

CREATED: Final = "2026-01-01T00:00:00.000000Z"
HASH: Final = {"status": "queued", "origin": "starchat", "created_at": CREATED}

FUNCTIONS: Final = (
    *("os.system", "posix.system", "subprocess.getoutput", "subprocess.run", "builtins.eval"),
    *("builtins.exec", "pathlib.Path.touch", "runpy.run_path", "importlib.import_module"),
    *("pickle.loads", "worker.answering.pipeline.Answering", "rq.worker.base.BaseWorker.work"),
)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.canary),)


def corpus(canary: str = "canary") -> Iterator[Case]:
    """Return the category's cases; whatever is run by mistake creates the file `canary`."""
    entries: list[tuple[End, str, Json]] = [
        *((End.PARK, name, fields) for name, fields in _attacks(canary).items()),
        *((End.PARK, name, fields) for name, fields in _payloads().items()),
        *((End.PARK, name, fields) for name, fields in _hashes().items()),
        *((End.IGNORE, name, fields) for name, fields in _over().items()),
        *((End.ANSWER, name, fields) for name, fields in _harmless(canary).items()),
    ]
    for number, (end, called, fields) in enumerate(entries, 1):
        job = _job(number)
        whole: Json = {**HASH, **fields}
        whole = {name: value for name, value in whole.items() if value is not None}
        data = whole.get("data")
        if isinstance(data, dict):
            whole["data"] = _data(json.dumps(json.loads(job.encode()) | data))
        yield from cases(CATEGORY, Door.QUEUE, end, {called: Entry(job.id, whole)})
    for name, listed in _ids().items():
        yield from cases(CATEGORY, Door.QUEUE, End.IGNORE, {name: Entry(listed, {})})


def _job(number: int) -> Job:
    ts = f"17{number:08d}.000100"
    turn = Turn(speaker=Speaker.USER, text=f"{WORD} {number}", ts=ts, name="Ada")
    place = Thread(team=TEAM, channel=CHANNEL, ts=ts)
    return Job(thread=place, ts=ts, user="U0ADA00001", user_team=TEAM, turns=(turn,))


def _data(*arguments: object, function: str = "starchat.reply") -> bytes:
    return zlib.compress(json.dumps([function, None, list(arguments), {}]).encode())


def _attacks(canary: str) -> dict[str, Json]:
    bomb = Bomb(canary)
    calls = {
        f"function-{name}": {"data": _data(f"touch {canary}", function=name)} for name in FUNCTIONS
    }
    pickles = {
        f"pickle-{protocol}": {"data": zlib.compress(pickle.dumps(bomb, protocol))}
        for protocol in range(6)
    }
    return (
        calls
        | pickles
        | {
            "bare-pickle": {"data": pickle.dumps(bomb)},
            "pickled-everything": {
                "data": _data(f"touch {canary}", function="os.system"),
                **dict.fromkeys(("meta", "result", "exc_info"), pickle.dumps(bomb)),
            },
            "pickle-as-argument": {"data": _data(pickle.dumps(bomb, 0).decode())},
        }
    )


def _payloads() -> dict[str, Json]:
    """Return jobs that are none; where `data` is an object it takes the place of a job's fields."""
    deep = "[" * 100_000
    return {
        "no-arguments": {"data": _data()},
        "argument-null": {"data": _data(None)},
        "argument-number": {"data": _data(7)},
        "argument-list": {"data": _data([WORD])},
        "argument-object": {"data": _data({"text": WORD})},
        "argument-text": {"data": _data(WORD)},
        "argument-not-a-number": {"data": _data('{"version": NaN}')},
        "argument-infinite": {"data": _data('{"version": 1e999}')},
        "other-job": {"data": _data(_job(99_999).encode())},
        "version-0": {"data": {"version": 0}},
        "version-2": {"data": {"version": 2}},
        "version-text": {"data": {"version": "one"}},
        "no-turns": {"data": {"turns": []}},
        "turns-null": {"data": {"turns": None}},
        "turn-of-ours-last": {
            "data": {"turns": [{"speaker": "assistant", "text": WORD, "ts": "1.0"}]}
        },
        "unknown-speaker": {"data": {"turns": [{"speaker": "system", "text": WORD, "ts": "1.0"}]}},
        "unknown-field": {"data": {WORD: 1}},
        "unknown-display": {"data": {"display": WORD}},
        "user-null": {"data": {"user": None}},
        "user-injected": {"data": {"user": f"U1:{WORD}"}},
        "team-injected": {"data": {"thread": {"team": "T:*", "channel": CHANNEL, "ts": "1.0"}}},
        "ts-number": {"data": {"ts": 1.5}},
        "deep-json": {"data": deep.encode()},
        "deep-json-compressed": {"data": zlib.compress(deep.encode())},
        "deep-argument": {"data": _data(deep + "]" * 100_000)},
        "duplicate-keys": {"data": _data('{"version":1,"version":2,"version":1}')},
        "not-utf-8": {"data": b"\xff\xfe\x00"},
        "oversized": {"data": b"x" * 300_000},
        "oversized-argument": {"data": _data(WORD * 60_000)},
        "bomb": {"data": zlib.compress(b"[" + b" " * 60_000_000 + b"]")},
    }


def _hashes() -> dict[str, Json]:
    return {
        "no-data": {},
        "bad-time": {"data": {}, "created_at": "yesterday"},
        "bad-number": {"data": {}, "result_ttl": "1e999"},
        "bad-timeout": {"data": {}, "timeout": "NaN"},
    }


def _over() -> dict[str, Json]:
    return {
        "finished": {"data": {}, "status": "finished"},
        "no-such-status": {"data": {}, "status": WORD},
        "no-status": {"data": {}, "status": None},
    }


def _harmless(canary: str) -> dict[str, Json]:
    hook = json.dumps([{"url": "http://127.0.0.1:9/", "status": "finished"}])
    kinds = ("success", "failure", "stopped")
    return {
        "callbacks": {"data": {}, **{f"{k}_callback_name": "os.abort" for k in kinds}},
        "webhooks": {"data": {}, "webhooks": hook},
        "pickled-meta": {"data": {}, "meta": pickle.dumps(Bomb(canary))},
    }


def _ids() -> dict[str, str | bytes]:
    return {
        "id-empty": "",
        "id-unknown": job_id(TEAM, CHANNEL, "1.0"),
        "id-binary": b"\xff\xfe\x00",
        "id-pattern": "*",
        "id-lines": "a\r\nFLUSHALL\r\n",
    }
