"""Forged queue entries of an attacker with access to Redis: code, bombs, broken jobs."""

import json
import pickle
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contract.conversation import Speaker, Turn
from contract.job import Job, Thread, job_id
from tests.adversarial.case import Case, CaseOutcome, EntryPoint, Json, QueueEntry, build_cases
from tests.adversarial.envelopes import CANARY_WORD

CATEGORY: Final = "entry"
TEAM: Final = "T0FAKE0001"
CHANNEL: Final = "C0GENERAL1"

CREATED: Final = "2026-01-01T00:00:00.000000Z"
JOB_HASH: Final = {"status": "queued", "origin": "starchat", "created_at": CREATED}

FUNCTIONS: Final = (
    *("os.system", "posix.system", "subprocess.getoutput", "subprocess.run", "builtins.eval"),
    *("builtins.exec", "pathlib.Path.touch", "runpy.run_path", "importlib.import_module"),
    *("pickle.loads", "worker.answering.pipeline.AnswerPipeline", "rq.worker.base.BaseWorker.work"),
)


class PickleBomb:
    """Creates a file when it is unpickled."""

    def __init__(self, canary: str) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.canary),)


def generate_cases(canary: str = "canary") -> Iterator[Case]:
    """Return the category's cases; code that runs by mistake creates the file `canary`."""
    entries: list[tuple[CaseOutcome, str, Json]] = [
        *(
            (CaseOutcome.QUARANTINE, name, fields)
            for name, fields in _build_attacks(canary).items()
        ),
        *(
            (CaseOutcome.QUARANTINE, name, fields)
            for name, fields in _build_invalid_payloads().items()
        ),
        *(
            (CaseOutcome.QUARANTINE, name, fields)
            for name, fields in _build_invalid_hashes().items()
        ),
        *((CaseOutcome.IGNORE, name, fields) for name, fields in _build_finished_jobs().items()),
        *((CaseOutcome.ANSWER, name, fields) for name, fields in _build_harmless(canary).items()),
    ]
    for number, (outcome, case_name, fields) in enumerate(entries, 1):
        job = _build_job(number)
        job_hash: Json = {**JOB_HASH, **fields}
        job_hash = {name: value for name, value in job_hash.items() if value is not None}
        data = job_hash.get("data")
        if isinstance(data, dict):
            job_hash["data"] = _pack_data(json.dumps(json.loads(job.to_json()) | data))
        yield from build_cases(
            CATEGORY, EntryPoint.QUEUE, outcome, {case_name: QueueEntry(job.id, job_hash)}
        )
    for name, listed_id in _build_invalid_ids().items():
        yield from build_cases(
            CATEGORY, EntryPoint.QUEUE, CaseOutcome.IGNORE, {name: QueueEntry(listed_id, {})}
        )


def _build_job(number: int) -> Job:
    ts = f"17{number:08d}.000100"
    turn = Turn(speaker=Speaker.USER, text=f"{CANARY_WORD} {number}", ts=ts, name="Ada")
    thread = Thread(team=TEAM, channel=CHANNEL, ts=ts)
    return Job(thread=thread, ts=ts, user="U0ADA00001", user_team=TEAM, turns=(turn,))


def _pack_data(*arguments: object, function: str = "starchat.reply") -> bytes:
    return zlib.compress(json.dumps([function, None, list(arguments), {}]).encode())


def _build_attacks(canary: str) -> dict[str, Json]:
    bomb = PickleBomb(canary)
    calls = {
        f"function-{name}": {"data": _pack_data(f"touch {canary}", function=name)}
        for name in FUNCTIONS
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
                "data": _pack_data(f"touch {canary}", function="os.system"),
                **dict.fromkeys(("meta", "result", "exc_info"), pickle.dumps(bomb)),
            },
            "pickle-as-argument": {"data": _pack_data(pickle.dumps(bomb, 0).decode())},
        }
    )


def _build_invalid_payloads() -> dict[str, Json]:
    """Return invalid jobs; a `data` object replaces fields of a valid job."""
    deep = "[" * 100_000
    return {
        "no-arguments": {"data": _pack_data()},
        "argument-null": {"data": _pack_data(None)},
        "argument-number": {"data": _pack_data(7)},
        "argument-list": {"data": _pack_data([CANARY_WORD])},
        "argument-object": {"data": _pack_data({"text": CANARY_WORD})},
        "argument-text": {"data": _pack_data(CANARY_WORD)},
        "argument-not-a-number": {"data": _pack_data('{"version": NaN}')},
        "argument-infinite": {"data": _pack_data('{"version": 1e999}')},
        "other-job": {"data": _pack_data(_build_job(99_999).to_json())},
        "version-0": {"data": {"version": 0}},
        "version-2": {"data": {"version": 2}},
        "version-text": {"data": {"version": "one"}},
        "no-turns": {"data": {"turns": []}},
        "turns-null": {"data": {"turns": None}},
        "assistant-turn-last": {
            "data": {"turns": [{"speaker": "assistant", "text": CANARY_WORD, "ts": "1.0"}]}
        },
        "unknown-speaker": {
            "data": {"turns": [{"speaker": "system", "text": CANARY_WORD, "ts": "1.0"}]}
        },
        "unknown-field": {"data": {CANARY_WORD: 1}},
        "unknown-streaming": {"data": {"streaming": CANARY_WORD}},
        "user-null": {"data": {"user": None}},
        "user-injected": {"data": {"user": f"U1:{CANARY_WORD}"}},
        "team-injected": {"data": {"thread": {"team": "T:*", "channel": CHANNEL, "ts": "1.0"}}},
        "ts-number": {"data": {"ts": 1.5}},
        "deep-json": {"data": deep.encode()},
        "deep-json-compressed": {"data": zlib.compress(deep.encode())},
        "deep-argument": {"data": _pack_data(deep + "]" * 100_000)},
        "duplicate-keys": {"data": _pack_data('{"version":1,"version":2,"version":1}')},
        "not-utf-8": {"data": b"\xff\xfe\x00"},
        "oversized": {"data": b"x" * 300_000},
        "oversized-argument": {"data": _pack_data(CANARY_WORD * 60_000)},
        "bomb": {"data": zlib.compress(b"[" + b" " * 4_000_000 + b"]")},
    }


def _build_invalid_hashes() -> dict[str, Json]:
    return {
        "no-data": {},
        "bad-time": {"data": {}, "created_at": "yesterday"},
        "bad-number": {"data": {}, "result_ttl": "1e999"},
        "bad-timeout": {"data": {}, "timeout": "NaN"},
    }


def _build_finished_jobs() -> dict[str, Json]:
    return {
        "finished": {"data": {}, "status": "finished"},
        "no-such-status": {"data": {}, "status": CANARY_WORD},
        "no-status": {"data": {}, "status": None},
    }


def _build_harmless(canary: str) -> dict[str, Json]:
    hook = json.dumps([{"url": "http://127.0.0.1:9/", "status": "finished"}])
    kinds = ("success", "failure", "stopped")
    return {
        "callbacks": {"data": {}, **{f"{k}_callback_name": "os.abort" for k in kinds}},
        "webhooks": {"data": {}, "webhooks": hook},
        "pickled-meta": {"data": {}, "meta": pickle.dumps(PickleBomb(canary))},
    }


def _build_invalid_ids() -> dict[str, str | bytes]:
    return {
        "id-empty": "",
        "id-unknown": job_id(TEAM, CHANNEL, "1.0"),
        "id-binary": b"\xff\xfe\x00",
        "id-pattern": "*",
        "id-lines": "a\r\nFLUSHALL\r\n",
    }
