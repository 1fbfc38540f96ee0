"""
The names of our Redis keys, tenant first, and how long each may live.

Every key starts with `starchat:`; every key that belongs to a workspace continues with its team.
Fields that we add to RQ's own job hash start with `starchat_`; RQ ignores fields it does not know.
"""

from typing import Final

SECONDS_PER_HOUR: Final = 3600
"""Seconds."""
TEXT_TTL_SECONDS: Final = 24 * SECONDS_PER_HOUR
"""Seconds after which text of people or of the model has left Redis at the latest."""
IDEMPOTENCY_TTL_SECONDS: Final = 24 * SECONDS_PER_HOUR
"""Seconds that a message is remembered as accepted; Slack's last redelivery comes after 6 min."""
NOTICE_TTL_SECONDS: Final = SECONDS_PER_HOUR
"""Seconds that a sentence of the bot's own is tried; later it would only puzzle its reader."""
QUEUE_TTL_SECONDS: Final = 7 * 24 * SECONDS_PER_HOUR
"""Seconds that an unfinished turn keeps its place: longer than a weekend without a worker."""
THREAD_MODE_TTL_SECONDS: Final = 30 * 24 * SECONDS_PER_HOUR
"""Seconds that a thread stays followed after its last turn. A session holds no text."""

PENDING_JOBS: Final = "starchat:pending"
"""Sorted set of all accepted, unfinished jobs by time of acceptance (s, Redis' clock)."""
REDIS_SENTINEL: Final = "starchat:sentinel"
"""Set as long as Redis holds what bots have put there: without it somebody has emptied Redis."""
WORKER_STATUSES: Final = "starchat:workers"
"""Hash of worker name to its `Beat` as JSON; an entry older than `BEAT_STALE` is a dead worker."""
WORKER_STALE_SECONDS: Final = 20
"""Seconds."""

PLACEHOLDER: Final = "starchat_placeholder"
"""Field of the job hash: the `ts` of the message that will become the reply."""
PLACEHOLDER_OWNER: Final = "starchat_placeholder_owner"
"""Field of the job hash: who set out to post the placeholder (intent, written before the post)."""
ANSWER: Final = "starchat_answer"
"""Field of the job hash: the finished reply, saved before it is posted."""
ATTEMPTS: Final = "starchat_attempts"
"""Field of the job hash: how often generation has started."""
OUTCOME: Final = "starchat_outcome"
"""Field of the job hash: how it ended for the reader, written once the final is out."""
REVISION: Final = "starchat_revision"
"""Field of the job hash: how often its person thought better of it. No field is the same as 0."""
WITHDRAWN: Final = "starchat_withdrawn"
"""Field of the job hash: set when its question is deleted while somebody runs it."""

FILE_ID_PREFIX: Final = "starchat_file_"
"""Stem of fields of the job hash: Slack's id of the file that is this part of the reply."""

RESTART_COMMAND: Final = "starchat-restart"
"""Command on RQ's channel of a worker: run this job anew, its question was edited."""
FORGET_COMMAND: Final = "starchat-forget"
"""Command on RQ's channel of a worker: wipe what the engine keeps of this `team`'s prompts."""

METADATA_EVENT_TYPE: Final = "starchat_reply"
"""
Slack metadata `event_type` of our messages. Its payload names the job, the part, the `ts` of the
question, and the state: `placeholder`, `growing`, `final` or `error`. The bot's own sentence in
answer to a message that became no job has the state `notice` and names no job.
"""


def idempotency_key(team: str, channel: str, ts: str) -> str:
    """Return the marker of an accepted message; its value is the job's id."""
    return f"starchat:{team}:idempotency_key:{channel}:{ts}"


def client_msg_id(team: str, client_msg_id: str) -> str:
    """Return the marker of one gesture of a person, which a client may have sent twice."""
    return f"starchat:{team}:client_msg_id:{client_msg_id}"


def pending_notice(team: str, channel: str, ts: str) -> str:
    """Return what the bot has to say to a message: a hash of `thread`, `text` and `tries`."""
    return f"starchat:{team}:pending_notice:{channel}:{ts}"


def notice_schedule(team: str) -> str:
    """Return the sorted set of such messages, `channel:ts`, by when any bot may take one (s)."""
    return f"starchat:{team}:notice_schedule"


def reanswer_offer(team: str, channel: str, ts: str, version: str) -> str:
    """Return the marker of an edit after which the person was offered a new answer."""
    return f"starchat:{team}:reanswer_offer:{channel}:{ts}:{version}"


def reanswer(team: str, channel: str, ts: str, version: str) -> str:
    """Return the marker of an edit after which the question was answered again."""
    return f"starchat:{team}:reanswer:{channel}:{ts}:{version}"


def thread_queue(team: str, channel: str, thread_ts: str) -> str:
    """Return the list of a thread's unfinished jobs; only its head may run."""
    return f"starchat:{team}:thread_queue:{channel}:{thread_ts}"


def user_quota(team: str, user: str) -> str:
    """Return the stem of a person's keys: `…:pending`, `…:running` (sets), `…:waiting` (list)."""
    return f"starchat:{team}:user_quota:{user}"


def thread_cache(team: str, channel: str, thread_ts: str) -> str:
    """Return the bot's copy of a thread: hash of `ts` to message."""
    return f"starchat:{team}:thread_cache:{channel}:{thread_ts}"


def thread_mode(team: str, channel: str, thread_ts: str) -> str:
    """Return how the bot follows a thread: `auto`, `follow` or `mute`."""
    return f"starchat:{team}:thread_mode:{channel}:{thread_ts}"


def user_profile(team: str, user: str) -> str:
    """Return what Slack says about a person, cached as JSON: the name, and whether a guest."""
    return f"starchat:{team}:user_profile:{user}"


def answer_cache(team: str, channel: str, thread_ts: str) -> str:
    """Return the worker's own finished answers in a thread: hash of the question's `ts` to JSON."""
    return f"starchat:{team}:answer_cache:{channel}:{thread_ts}"


def job_lease(job: str) -> str:
    """Return the key that says which execution may act for a job; it expires by Redis' clock."""
    team = job.split("-", 1)[0]
    return f"starchat:{team}:lease:{job}"


def connection_window(team: str) -> str:
    """Return since when and until when (s, Slack's clock) a team's events reached us: a hash."""
    return f"starchat:{team}:connection_window"


def rate_limit(team: str, method: str) -> str:
    """Return the budget of one Web API method in one workspace, shared by all workers."""
    return f"starchat:{team}:rate_limit:{method}"
