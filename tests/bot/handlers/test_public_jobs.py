"""Jobs of public questions: which ones may share a generation across channels."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from slack_sdk import WebClient

from bot.handlers.job_builder import JobBuilder, Source
from bot.slack.users import User, UserDirectory
from bot.store.thread_cache import ThreadCache
from contract import keys
from contract.job import Streaming
from testing.slack_events import ADA, BOT_IDENTITY, make_message_event

MEMBER = User(name="Ada", is_bot=False)


@pytest.fixture
def builder(redis: Redis) -> Iterator[JobBuilder]:
    """Return a builder that reads Redis alone."""
    web = WebClient(token="")
    with ThreadPoolExecutor(1) as pool:
        users = UserDirectory(redis, web, pool, pool)
        yield JobBuilder(
            BOT_IDENTITY, Streaming.EDITS, ThreadCache(redis, web, BOT_IDENTITY), users
        )


def is_public(builder: JobBuilder, redis: Redis, user: User, **event: Any) -> bool:
    """Return what the job of an event tells the worker; `user` is its author's profile."""
    redis.set(keys.user_profile(BOT_IDENTITY.team, ADA), user.model_dump_json())
    return builder.build_from_message(make_message_event(**event), Source.CACHE).is_public


@pytest.mark.parametrize(
    ("user", "event", "expected"),
    [
        (MEMBER, {}, True),
        (MEMBER, {"channel_type": "group"}, False),
        (MEMBER, {"outer": {"is_ext_shared_channel": True}}, False),
        (MEMBER, {"user_team": "T0OTHER001"}, False),
        (MEMBER, {"user_profile": {"is_restricted": True}}, False),
        (User(name="Sam", is_bot=False, is_guest=True), {}, False),
        (User(name="Tool", is_bot=True), {}, False),
        (User(name=ADA, is_resolved=False), {}, False),
    ],
)
def test_only_a_full_members_question_is_public(
    builder: JobBuilder, redis: Redis, user: User, event: dict[str, Any], *, expected: bool
) -> None:
    """A guest, another organization, or one whom Slack doesn't tell can't read all channels."""
    assert is_public(builder, redis, user, **event) is expected


def test_mention_is_public_only_by_its_own_message(builder: JobBuilder, redis: Redis) -> None:
    """Its event has no type: the channel may have become private or shared since another one."""
    assert is_public(builder, redis, MEMBER, number=1)
    mention: dict[str, Any] = {"number": 2, "type": "app_mention", "channel_type": None}
    assert not is_public(builder, redis, MEMBER, **mention)

    builder.public_questions.record_message(make_message_event(2))
    assert is_public(builder, redis, MEMBER, **mention)


def test_question_answered_again_is_not_public(builder: JobBuilder, redis: Redis) -> None:
    """The channel may have been converted since it was asked."""
    post = make_message_event()
    assert is_public(builder, redis, MEMBER)
    assert post.message is not None
    author = (post.author, post.author_team)
    again = builder.build_job(post.thread, post.ts, author, [post.message], Source.CACHE)

    assert not again.is_public
