"""Rules cache: one read a question, complete or unknown, and never older than a saved change."""

import pytest
from redis import Redis

from bot.rules.channel_rules import DEFAULT_RULES, ChannelRules, WhoMayAsk
from bot.rules.versions import RulesUnreadableError, VersionedRules
from bot.store.client import NotCachedError
from bot.store.rules_cache import RulesCache
from contract import keys

TEAM = "T0FAKE0001"
CLOSED = ChannelRules(who=WhoMayAsk.NO_ONE)
OPEN = ChannelRules(top_k=3)


@pytest.fixture
def cache(redis: Redis) -> RulesCache:
    """Return an empty cache."""
    return RulesCache(redis, TEAM)


def encode(version: int, rules: ChannelRules) -> tuple[int, str]:
    """Return rules as the database has them."""
    return version, rules.model_dump_json()


def test_unknown_rules_are_not_those_of_a_channel_without_any(cache: RulesCache) -> None:
    """A Redis that lost its data, or that holds a part, knows no channel's rules."""
    with pytest.raises(NotCachedError):
        cache.get_rules("C01")
    cache.put_rules("C01", VersionedRules(CLOSED, 1))
    with pytest.raises(NotCachedError):
        cache.get_rules("C02")

    cache.replace_rules({"C01": encode(1, CLOSED)}, cache.read_clock())
    assert cache.get_rules("C01") == (CLOSED, 1)
    assert cache.get_rules("C02") == (DEFAULT_RULES, 0)


def test_later_save_wins_in_any_order(cache: RulesCache) -> None:
    """Two bots may write to the cache in another order than to the database."""
    cache.replace_rules({}, cache.read_clock())
    cache.put_rules("C01", VersionedRules(CLOSED, 2))
    cache.put_rules("C01", VersionedRules(OPEN, 1))

    assert cache.get_rules("C01") == (CLOSED, 2)


def test_older_read_of_the_database_replaces_no_newer_change(cache: RulesCache) -> None:
    """A change between the read and its arrival stays, also of a channel without rules before."""
    read_at = cache.read_clock()
    cache.put_rules("C01", VersionedRules(CLOSED, 2))
    cache.put_rules("C02", VersionedRules(CLOSED, 1))
    cache.replace_rules({"C01": encode(1, OPEN)}, read_at)

    assert cache.get_rules("C01") == (CLOSED, 2)
    assert cache.get_rules("C02") == (CLOSED, 1)


def test_database_decides_about_older_entries(cache: RulesCache) -> None:
    """A restored or purged database has lower versions, and fewer channels."""
    cache.put_rules("C01", VersionedRules(CLOSED, 9))
    cache.put_rules("C02", VersionedRules(CLOSED, 9))
    cache.replace_rules({"C01": encode(1, OPEN)}, cache.read_clock() + 1)

    assert cache.get_rules("C01") == (OPEN, 1)
    assert cache.get_rules("C02") == (DEFAULT_RULES, 0)


@pytest.mark.parametrize("stored", ["", "1.0 x {}", "1.0 1 {", '1.0 1 {"who": "moderators"}', "é"])
def test_malformed_entry_is_unreadable(cache: RulesCache, redis: Redis, stored: str) -> None:
    """Only that channel is closed."""
    cache.replace_rules({}, cache.read_clock())
    redis.hset(keys.channel_rules(TEAM), "C01", stored)

    with pytest.raises(RulesUnreadableError):
        cache.get_rules("C01")
    assert cache.get_rules("C02") == (DEFAULT_RULES, 0)


@pytest.mark.parametrize("found", ["", "soon", "inf", "9" * 400])
def test_age_of_the_cache_is_known_or_none(cache: RulesCache, redis: Redis, found: str) -> None:
    """It is the time of the last comparison with the database."""
    assert cache.find_comparison_time() is None
    read_at = cache.read_clock()
    cache.replace_rules({}, read_at)
    compared_at = cache.find_comparison_time()
    assert compared_at is not None
    assert read_at <= compared_at <= cache.read_clock()
    redis.hset(keys.channel_rules(TEAM), "*", found)
    assert cache.find_comparison_time() is None
