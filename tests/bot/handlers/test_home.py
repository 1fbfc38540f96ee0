"""Home tab: published without delay to others, and as complete as Redis and Slack allow."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import SecretStr
from redis import Redis

from bot.handlers.home.home_facts import SHOWN_SETTINGS, HomeFacts
from bot.handlers.home.home_handler import HomeHandler, start_home_tasks
from bot.home import texts as home_texts
from bot.home.presses import LanguageChosen, ListCleared
from bot.messages.admission import Policy
from bot.records.database import Records
from bot.settings import Settings
from bot.slack.client import SlackWebClient, authenticate
from bot.slack.poster import Poster
from bot.slack.users import User, UserDirectory
from bot.store.client import connect_redis, read_clock
from bot.store.job_queue import JobQueue
from bot.store.usage_sums import UsageSums
from contract import keys
from contract.language import Language
from testing.polling import poll_until
from testing.workspace import ADA, BOT_TOKEN, GENERAL, LIN, SAM, Json, Workspace

TEAM = "T0FAKE0001"
SETTINGS = Settings(
    slack_bot_token=SecretStr(BOT_TOKEN),
    slack_app_token=SecretStr("xapp-1"),
    starchat_admins=frozenset({LIN}),
    starchat_daily_gpu_seconds_per_user=600,
    starchat_votes_with_text="on",
)


class HomeSteps:
    """Home tabs of a workspace, published in this process."""

    def __init__(
        self, workspace: Workspace, redis: Redis, pools: tuple[ThreadPoolExecutor, ...]
    ) -> None:
        self.workspace = workspace
        client = SlackWebClient(token=BOT_TOKEN, base_url=workspace.api_url, retry_handlers=[])
        identity = authenticate(client, threading.Event())
        assert identity is not None
        self.policy = Policy()
        self.users = UserDirectory(redis, client, *pools)
        self.tasks = start_home_tasks()
        self.records = Records(workspace.database_url)
        facts = HomeFacts(redis, identity, SETTINGS, self.policy, JobQueue(redis), self.records)
        self.handler = HomeHandler(redis, facts, self.users, Poster(client), self.tasks)

    def open_home(self, user: str = ADA) -> str:
        """Open the tab; return the blocks that Slack took, as JSON."""
        since = len(self.workspace.api_calls())
        self.handler.publish_home(user)
        return self.wait_for_view(user, since)

    def wait_for_view(self, user: str, since: int) -> str:
        """Return the blocks of the user's tab that was published since a call, as JSON."""
        [*_, call] = poll_until(
            lambda: self.list_published(user, since), description="the Home tab"
        )
        return json.dumps(call["args"]["view"]["blocks"], ensure_ascii=False)

    def list_published(self, user: str, since: int) -> list[Json]:
        """Return the accepted calls for a user."""
        calls = self.workspace.api_calls(since, "views.publish")
        return [call for call in calls if call["ok"] and call["args"]["user_id"] == user]


@pytest.fixture
def home(workspace: Workspace, redis: Redis) -> Iterator[HomeSteps]:
    """Home tabs whose bot runs in this process."""
    with ThreadPoolExecutor(1) as names, ThreadPoolExecutor(1) as authors:
        steps = HomeSteps(workspace, redis, (names, authors))
        yield steps
        steps.tasks.drain(5)
        steps.records.close_database()
        workspace.set_faults()


def add_usage(redis: Redis, prefix: str, **fields: int) -> None:
    """Write the sums of today."""
    for field, value in fields.items():
        redis.hset(f"{prefix}:{UsageSums(redis).count_days()}", field, value)


def test_member_sees_own_use_and_links(home: HomeSteps, redis: Redis) -> None:
    """An administrator also sees workers and settings, and no one's names or questions."""
    ts = f"{int(read_clock(redis))}.000100"
    redis.zadd(keys.user_questions(TEAM, ADA), {f"{GENERAL}:{ts}:{ts}": float(ts)})
    redis.sadd(f"{keys.user_quota(TEAM, ADA)}:pending", "job")
    add_usage(redis, keys.user_usage(TEAM, ADA), gpu_ms=31_000, replies=4)
    add_usage(redis, keys.team_usage(TEAM), gpu_ms=90_000, replies=9, wait_2=9)
    shown = home.open_home()

    assert str(home_texts.VOTES_KEEP_TEXT) in shown
    assert "4 replies, 31 s of GPU time" in shown
    assert "31 of your 600 s" in shown
    assert "9 replies, 90 s of GPU time" in shown
    assert "1 question of yours is waiting" in shown
    assert f"{home.workspace.url}/archives/{GENERAL}/p{ts.replace('.', '')}|" in shown
    assert "STARCHAT_GUESTS" not in shown

    shown = home.open_home(LIN)
    assert "STARCHAT_GUESTS=allow" in shown
    assert "0 replies, 0 s of GPU time" in shown
    assert "No worker is running" in shown
    assert f"archives/{GENERAL}" not in shown
    assert "of your 600 s" not in shown


def test_no_shown_setting_is_a_secret() -> None:
    """Nor an address, an id or a path."""
    for name in SHOWN_SETTINGS:
        value = getattr(SETTINGS, name)
        assert isinstance(value, int | str)
        assert str(value).isalnum(), name


def test_chosen_language_counts_for_all_that_the_person_reads(
    home: HomeSteps, redis: Redis
) -> None:
    """The tab is shown again in it; Slack's language comes back with its choice."""
    since = len(home.workspace.api_calls())
    home.handler.handle_press(LanguageChosen(ADA, Language.CHINESE))
    assert home_texts.LANGUAGE_OF_SLACK.translate(Language.CHINESE) in home.wait_for_view(
        ADA, since
    )
    assert home.users.lookup_language(TEAM, ADA) is Language.CHINESE
    assert home.users.lookup_language(TEAM, LIN) is Language.ENGLISH
    redis.hset(keys.language_choices(TEAM), LIN, "tlh")
    assert home.users.lookup_language(TEAM, LIN) is Language.ENGLISH

    home.handler.handle_press(LanguageChosen(ADA, None))
    assert home.users.lookup_language(TEAM, ADA) is Language.ENGLISH
    assert redis.hkeys(keys.language_choices(TEAM)) == [LIN.encode()]


def test_list_is_cleared_by_its_person(home: HomeSteps, redis: Redis) -> None:
    """And the tab says that there is none."""
    ts = f"{int(read_clock(redis))}.000100"
    redis.zadd(keys.user_questions(TEAM, ADA), {f"{GENERAL}:{ts}:{ts}": float(ts)})
    since = len(home.workspace.api_calls())
    home.handler.handle_press(ListCleared(ADA))

    assert str(home_texts.NO_QUESTIONS) in home.wait_for_view(ADA, since)


@pytest.mark.parametrize(
    ("profile", "policy"),
    [
        (User(name="Sam", is_guest=True), Policy(allow_guests=False)),
        (User(name=SAM, is_guest=True, is_resolved=False), Policy()),
    ],
)
def test_guest_or_outsider_sees_the_limits_alone(
    home: HomeSteps, profile: User, policy: Policy
) -> None:
    """Neither sums nor controls; one whom Slack does not show is of another workspace."""
    facts = HomeFacts(
        home.handler.redis,
        home.handler.facts.identity,
        SETTINGS,
        policy,
        JobQueue(home.handler.redis),
        home.records,
    )
    assert "members" in str(facts.gather_facts(SAM, profile))


def test_person_without_a_name_sees_the_tab(home: HomeSteps) -> None:
    """Slack's failed lookup costs the language alone."""
    home.workspace.set_faults({"method": "users.info", "fault": "error", "error": "fatal_error"})
    assert "GPU time" in home.open_home()


def test_tab_without_redis_says_so(home: HomeSteps) -> None:
    """What StarChat is and what it cannot do is shown all the same."""
    away = connect_redis("redis://127.0.0.1:1/0")
    handler = HomeHandler(
        away,
        home.handler.facts,
        home.users,
        home.handler.poster,
        home.tasks,
    )
    since = len(home.workspace.api_calls())
    handler.publish_home(ADA)

    assert json.dumps(str(home_texts.QUEUE_AWAY))[1:-1] in home.wait_for_view(ADA, since)


def test_refusing_workspace_is_left_alone_for_an_hour(home: HomeSteps, redis: Redis) -> None:
    """A missing scope or a tab that is off is no error for anyone."""
    home.workspace.set_faults({"method": "views.publish", "fault": "error", "error": "not_enabled"})
    home.handler.publish_home(ADA)
    poll_until(lambda: redis.exists(keys.home_latch(TEAM)), description="the latch")
    assert 0 < int(redis.ttl(keys.home_latch(TEAM))) <= 3600
    home.workspace.set_faults()
    since = len(home.workspace.api_calls())
    home.handler.publish_home(ADA)
    home.tasks.drain(5)

    assert home.list_published(ADA, since) == []


def test_refused_call_is_left_out(home: HomeSteps, redis: Redis) -> None:
    """A conflict or a rate limit concerns this opening alone: the next one publishes."""
    home.workspace.set_faults(
        {"method": "views.publish", "fault": "error", "error": "hash_conflict", "count": 1}
    )
    home.handler.publish_home(ADA)
    poll_until(
        lambda: [c for c in home.workspace.api_calls(method="views.publish") if not c["ok"]],
        description="the refusal",
    )

    assert "GPU time" in home.open_home()
    assert not redis.exists(keys.home_latch(TEAM))


def test_many_openings_lead_to_one_call(home: HomeSteps) -> None:
    """While a tab waits for a thread, another event of its person adds nothing."""
    release = threading.Event()
    for _ in range(2):
        home.tasks.submit("busy", release.wait, 60)
    since = len(home.workspace.api_calls())
    for _ in range(50):
        home.handler.publish_home(ADA)
    release.set()
    home.wait_for_view(ADA, since)
    home.open_home(LIN)

    assert len(home.list_published(ADA, since)) == 1
