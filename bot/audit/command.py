"""Command `python -m bot reply ID`: writes what is known about a reply as JSON lines, no text."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import Connection, select

from bot.records.database import Records, RecordsUnavailableError
from bot.records.tables import voted_replies, votes
from bot.settings import Settings
from bot.store.client import connect_redis, decode_reply
from contract import keys
from contract.answers import Answer
from contract.code_verdicts import describe_verdicts
from contract.language import Language
from contract.reply_details import ReplyDetails

ID_PATTERN: Final = r"[0-9a-f]{1,16}"
ENTRIES_PER_PAGE: Final = 500
FAILED_EXIT_CODE: Final = 1
KEY: Final = ("team", "channel", "message_ts", "version")

Line = dict[str, Any]


def run_audit(arguments: Sequence[str]) -> int:
    """
    Write a line for each place that knows the reply; return 1 if there is none.

    Raises `SettingsError`, and `SystemExit` for wrong arguments.
    """
    reply_id = _parse_reply_id(arguments)
    settings = Settings.from_environment()
    records = Records(settings.database_url.get_secret_value())
    redis = connect_redis(settings.redis_url.get_secret_value())
    try:
        records.open_database()
        found = [*find_in_redis(redis, reply_id), *find_in_records(records, reply_id)]
    except RecordsUnavailableError as error:
        return _fail(f"the database is not available ({error})")
    except RedisError as error:
        return _fail(f"Redis is not available ({type(error).__name__})")
    finally:
        records.close_database()
        redis.close()
    for line in found:
        print(json.dumps(line))  # noqa: T201
    if not found:
        return _fail(
            "nothing is known about that reply: Redis keeps replies for a day, the database those "
            "with votes, and the workers' logs what was published"
        )
    return 0


def find_in_redis(redis: Redis, reply_id: str) -> Iterator[Line]:
    """Yield what the caches of answers know of a reply. Raises `RedisError`."""
    for key in redis.scan_iter(keys.answer_cache("*", "*", "*"), count=ENTRIES_PER_PAGE):
        _, team, _, channel, thread_ts = decode_reply(key).split(":")
        for field, value in redis.hscan_iter(key):
            answer = Answer.from_json(value)
            if answer is None or answer.reply_id != reply_id:
                continue
            question_ts, _, version = decode_reply(field).partition(":")
            address = {"team": team, "channel": channel, "thread_ts": thread_ts}
            yield {
                "source": "redis",
                **address,
                "question_ts": question_ts,
                "is_previous": bool(version),
                "points_to_earlier_answer": answer.earlier_answer is not None,
                **describe_reply(answer.details),
            }


def find_in_records(records: Records, reply_id: str) -> list[Line]:
    """Return what the database knows of a reply with votes. Raises `RecordsUnavailableError`."""
    return records.read(partial(_read_rows, reply_id=reply_id))


def describe_reply(details: str) -> Line:
    """Return the facts of details in JSON; none if they are not readable."""
    try:
        found = ReplyDetails.model_validate_json(details)
    except ValidationError:
        return {}
    facts = found.model_dump(exclude={"verdicts", "verdicts_left_out"})
    verdicts = describe_verdicts(found.verdicts, found.verdicts_left_out)
    return facts | {"checks": verdicts.translate(Language.ENGLISH)}


def _read_rows(connection: Connection, reply_id: str) -> list[Line]:
    replies = connection.execute(
        select(voted_replies).where(voted_replies.c.version == reply_id)
    ).all()
    lines = []
    for reply in replies:
        same = [votes.c[name] == getattr(reply, name) for name in KEY]
        cast = connection.execute(select(votes).where(*same).order_by(votes.c.voted_at)).all()
        lines.append(
            {
                "source": "database",
                **{name: getattr(reply, name) for name in (*KEY, "thread_ts")},
                **describe_reply(reply.facts),
                "votes": [
                    {name: getattr(vote, name) for name in ("opinion", "reason", "ran", "voted_at")}
                    for vote in cast
                ],
            }
        )
    return lines


def _fail(reason: str) -> int:
    print(f"bot: {reason}", file=sys.stderr)  # noqa: T201
    return FAILED_EXIT_CODE


def _parse_reply_id(arguments: Sequence[str]) -> str:
    parser = argparse.ArgumentParser(
        prog="python -m bot reply",
        description="Write what is known about a reply, without text: model, revision, seed, "
        "sampling, checks, times and votes. Needs the environment of the bot.",
    )
    parser.add_argument("id", type=_parse_id, help="the id in the reply's Details")
    return str(parser.parse_args(arguments).id)


def _parse_id(text: str) -> str:
    if not re.fullmatch(ID_PATTERN, text):
        raise argparse.ArgumentTypeError("not the id of a reply, such as 0a1b2c3d4e5f")
    return text
