"""
Names and lifetimes of the Redis keys that both processes use.

Every key starts with `starchat:`; every key of a workspace continues with its team id.
Fields that we add to RQ's job hash start with `starchat_`; RQ ignores fields it does not know.
"""

from typing import Final

SECONDS_PER_HOUR: Final = 3600
"""Seconds."""
TEXT_TTL_SECONDS: Final = 24 * SECONDS_PER_HOUR
"""Maximum lifetime of user and model text in Redis."""
MAX_TEXT_BYTES_PER_TEAM: Final = 32 * 1024 * 1024
"""Bytes of a team's cached threads and answers; the longest unchanged are dropped first."""
IDEMPOTENCY_TTL_SECONDS: Final = 24 * SECONDS_PER_HOUR
"""How long a message is remembered as accepted; Slack's last redelivery comes after 6 min."""
NOTICE_TTL_SECONDS: Final = SECONDS_PER_HOUR
"""How long the bot tries to post a notice; a later one would only confuse its reader."""
NOTICE_QUIET_SECONDS: Final = 60
"""Seconds after a word to one person in a channel, in which further ones are joined."""
QUEUE_TTL_SECONDS: Final = 7 * 24 * SECONDS_PER_HOUR
"""How long an unfinished job stays in the queue: longer than a weekend without workers."""
EXTRA_LATCH_TTL_SECONDS: Final = SECONDS_PER_HOUR
"""How long calls that no reply needs are left out after a refusal."""
THREAD_MODE_TTL_SECONDS: Final = 30 * 24 * SECONDS_PER_HOUR
"""How long the bot follows a thread after its last turn. The mode holds no text."""
UNINSTALLED_TTL_SECONDS: Final = 30 * 24 * SECONDS_PER_HOUR
"""How long the bots try to delete what is left of teams that have removed the app."""

PENDING_JOBS: Final = "starchat:pending"
"""Sorted set of all accepted, unfinished jobs by time of acceptance (s, Redis' clock)."""
REDIS_SENTINEL: Final = "starchat:sentinel"
"""Key that exists while Redis holds the bots' data. If it is missing, Redis was flushed."""
UNINSTALLED_TEAMS: Final = "starchat:uninstalled"
"""Hash of team to what is left to delete of it, after it has removed the app."""
WORKER_STATUSES: Final = "starchat:workers"
"""Hash of worker name to `WorkerStatus` as JSON, stale after `WORKER_STALE_SECONDS`."""
WORKER_STALE_SECONDS: Final = 20
"""Seconds."""

RECEIVED: Final = "starchat_message"
"""Job hash field: the question as Slack delivered it, as JSON, until its thread is read."""
NUM_READS: Final = "starchat_reads"
"""Job hash field: how often a bot began to read the thread."""
PLACEHOLDER: Final = "starchat_placeholder"
"""Job hash field: `ts` of the placeholder message, which becomes the reply."""
PLACEHOLDER_OWNER: Final = "starchat_placeholder_owner"
"""Job hash field: the process that posts the placeholder; written before the post (intent)."""
ANSWER: Final = "starchat_answer"
"""Job hash field: the finished reply, saved before it is posted."""
ANSWER_FACTS: Final = "starchat_answer_facts"
"""Job hash field: facts about the saved answer besides its text, as JSON."""
ANSWER_IDS: Final = "starchat_answer_ids"
"""Job hash field: the saved `Answer` without its text, as JSON."""
ANSWER_DETAILS: Final = "starchat_answer_details"
"""Job hash field: how the saved answer was generated, as `ReplyDetails.to_value`."""
ATTEMPTS: Final = "starchat_attempts"
"""Job hash field: how often generation was started."""
OUTCOME: Final = "starchat_outcome"
"""Job hash field: how the job ended for the reader; written after the final reply is posted."""
REVISION: Final = "starchat_revision"
"""Job hash field: incremented on every edit or deletion of the question; missing means 0."""
WITHDRAWN: Final = "starchat_withdrawn"
"""Job hash field: set if the question is deleted while a worker runs the job."""

SURPLUS: Final = "starchat_surplus"
"""Job hash field: `Surplus` of the reply that the job replaces; empty once it is deleted."""
REWORK: Final = "starchat_rework"
"""Job hash field: set if the job works on a finished reply, which stays until a worker begins."""
ASKER: Final = "starchat_asker"
"""Job hash field: who asked the question, if another user's quota counts the job."""
BOT_AGAIN: Final = "bot:again"
"""Owner of a placeholder that is a finished reply."""

STOPPED_BY: Final = "starchat_stopped_by"
"""Job hash field: who stopped the job, a `StopRecord` as JSON; written before any command."""
STOP_TRIES: Final = "starchat_stop_tries"
"""Job hash field: how often a bot tried to show that a waiting question was stopped."""

FILE_ID_PREFIX: Final = "starchat_file_"
"""Prefix of job hash fields: Slack's id of the file that holds this part of the reply."""

STOP_COMMAND: Final = "stop-job"
"""RQ's command on a worker's channel: stop this job; the reply keeps its text so far."""
RESTART_COMMAND: Final = "starchat-restart"
"""Command on a worker's RQ channel: restart this job, because its question was edited."""
FORGET_COMMAND: Final = "starchat-forget"
"""Command on a worker's RQ channel: erase the cached prefixes of this `scope` in the engine."""

METADATA_EVENT_TYPE: Final = "starchat_reply"
"""
Slack metadata `event_type` of our messages.

The payload names the job, the part, the `ts` of the question, and the state: `placeholder`,
`growing`, `final` or `error`. A notice of the bot, which belongs to no job, has the state
`notice` and names no job.
"""


def idempotency_key(team: str, channel: str, ts: str) -> str:
    """Return the key that marks a message as accepted; its value is the job's id."""
    return f"starchat:{team}:idempotency_key:{channel}:{ts}"


def client_msg_id(team: str, client_msg_id: str) -> str:
    """Return the marker of an accepted client message: a client may send one message twice."""
    return f"starchat:{team}:client_msg_id:{client_msg_id}"


def pending_notice(team: str, channel: str, ts: str) -> str:
    """
    Return the notice to post in reply to a message: a hash of `thread`, `notice`, `tries`.

    The notice that its secrets were masked has `ts` with the suffix `:masked`.
    """
    return f"starchat:{team}:pending_notice:{channel}:{ts}"


def personal_notice(team: str, channel: str, user: str) -> str:
    """Return the joined word to one person in a channel: see `record_personal_notice.lua`."""
    return f"starchat:{team}:personal_notice:{channel}:{user}"


def notice_quiet(team: str, channel: str, subject: str, sentence: str) -> str:
    """Return the marker of a notice that a thread or author has had in this quiet period."""
    return f"starchat:{team}:notice_quiet:{channel}:{subject}:{sentence}"


def offer_count(team: str, channel: str, user: str) -> str:
    """Return how many new answers a user was offered in a channel in this minute."""
    return f"starchat:{team}:offer_count:{channel}:{user}"


def notice_schedule(team: str) -> str:
    """
    Return the sorted set of pending notices by the time to post each (s).

    A member is `channel:ts` for a message, or `channel:user` for a joined word to one person.
    """
    return f"starchat:{team}:notice_schedule"


def stop_schedule(team: str) -> str:
    """Return the sorted set of stopped jobs by the time to follow each up (s)."""
    return f"starchat:{team}:stop_schedule"


def deletion_schedule(team: str) -> str:
    """
    Return the sorted set of replies to delete, by the time of the next attempt (s).

    A member is `channel:thread_ts:ts` of the question.
    """
    return f"starchat:{team}:deletion_schedule"


def code_schedule(team: str) -> str:
    """
    Return the sorted set of threads whose code is put together, by the next attempt (s).

    A member is `channel:thread_ts`.
    """
    return f"starchat:{team}:code_schedule"


def code_run(team: str, channel: str, thread_ts: str) -> str:
    """Return who asked for a thread's code, and the files of it: see `record_code_run.lua`."""
    return f"starchat:{team}:code_run:{channel}:{thread_ts}"


def code_press(team: str, channel: str, ts: str) -> str:
    """Return the marker of a request for a thread's code: of a press, or of a message."""
    return f"starchat:{team}:code_press:{channel}:{ts}"


def vote_outbox(team: str) -> str:
    """Return the list of votes and deletions that are not in the bots' database yet, as JSON."""
    return f"starchat:{team}:vote_outbox"


def ran_line_schedule(team: str) -> str:
    """
    Return the sorted set of replies whose line *ran for* is out of date, by the time to edit (s).

    A member is `channel:message_ts:version`.
    """
    return f"starchat:{team}:ran_line_schedule"


def ran_line_lease(team: str, channel: str, message_ts: str) -> str:
    """Return the lease of the bot that edits the line of a reply."""
    return f"starchat:{team}:ran_line_lease:{channel}:{message_ts}"


def session_schedule(team: str) -> str:
    """
    Return the sorted set of Slack's sessions that may be `processing`, by the time to check (s).

    `session_member` names a session.
    """
    return f"starchat:{team}:session_schedule"


def session_member(channel: str, thread_ts: str) -> str:
    """Return the member of a thread's session in `session_schedule`."""
    return f"{channel}:{thread_ts}"


def session_latch(team: str) -> str:
    """Return the marker of a workspace in which Slack refused agent sessions in the last hour."""
    return f"starchat:{team}:session_latch"


def ask_marker(team: str, request: str) -> str:
    """Return the mark of a question that a person asked by a form, and that was recorded."""
    return f"starchat:{team}:ask_marker:{request}"


def pending_ask(team: str, request: str) -> str:
    """Return a question to post for a person: a hash of `thread`, `notice` (JSON) and `tries`."""
    return f"starchat:{team}:pending_ask:{request}"


def direct_message(team: str, user: str) -> str:
    """Return the channel of the direct message with a user."""
    return f"starchat:{team}:direct_message:{user}"


def extra_latch(team: str, kind: str) -> str:
    """Return the marker of a workspace that refused calls of a kind which no reply needs."""
    return f"starchat:{team}:extra_latch:{kind}"


def session_title(team: str, channel: str, thread_ts: str) -> str:
    """Return the marker of a thread whose session got its title."""
    return f"starchat:{team}:session_title:{channel}:{thread_ts}"


def prompts_shown(team: str, user: str) -> str:
    """Return the language in which a user was shown suggested prompts today."""
    return f"starchat:{team}:prompts_shown:{user}"


def ask_schedule(team: str) -> str:
    """Return the sorted set of pending asks by the time to post each (s)."""
    return f"starchat:{team}:ask_schedule"


def reanswer_offer(team: str, channel: str, ts: str, version: str) -> str:
    """Return the marker of an edit for which the user was offered a new answer."""
    return f"starchat:{team}:reanswer_offer:{channel}:{ts}:{version}"


def reanswer(team: str, channel: str, ts: str, version: str) -> str:
    """Return the marker of an edit for which the question was answered again."""
    return f"starchat:{team}:reanswer:{channel}:{ts}:{version}"


def inbox(team: str) -> str:
    """Return the sorted set of jobs whose threads are unread, by the time to read each (s)."""
    return f"starchat:{team}:inbox"


def thread_queue(team: str, channel: str, thread_ts: str) -> str:
    """Return the list of a thread's unfinished jobs, as asked; only its head may run."""
    return f"starchat:{team}:thread_queue:{channel}:{thread_ts}"


def user_usage(team: str, user: str) -> str:
    """Return the prefix of what a user's replies used: see `contract.usage`."""
    return f"starchat:{team}:usage:user:{user}"


def channel_usage(team: str, channel: str) -> str:
    """Return the prefix of what the replies in a channel used: see `contract.usage`."""
    return f"starchat:{team}:usage:channel:{channel}"


def team_usage(team: str) -> str:
    """Return the prefix of what all replies of a team used: see `contract.usage`."""
    return f"starchat:{team}:usage:team"


def user_questions(team: str, user: str) -> str:
    """
    Return the sorted set of a user's questions with a reply, by the `ts` of each.

    A member is `channel:thread_ts:ts`.
    """
    return f"starchat:{team}:user_questions:{user}"


def channel_questions(team: str, channel: str) -> str:
    """
    Return the sorted set of a channel's questions with a reply, by the `ts` of each.

    A member is `thread_ts:ts:user`. It finds what to delete from the users' lists.
    """
    return f"starchat:{team}:channel_questions:{channel}"


def language_choices(team: str) -> str:
    """Return the languages that users have chosen: a hash of user id to `Language`."""
    return f"starchat:{team}:language_choices"


def home_latch(team: str) -> str:
    """Return the marker of a workspace in which Slack refused the Home tab in the last hour."""
    return f"starchat:{team}:home_latch"


def channel_jobs(team: str, channel: str) -> str:
    """Return the set of a channel's unfinished jobs, kept if channels have a budget."""
    return f"starchat:{team}:channel_jobs:{channel}"


def user_quota(team: str, user: str) -> str:
    """Return the prefix of a user's quota: `…:pending`, `…:running` (sets), `…:waiting` (list)."""
    return f"starchat:{team}:user_quota:{user}"


def command_quota(team: str, user: str) -> str:
    """Return the number of a user's commands in the present minute."""
    return f"starchat:{team}:command_quota:{user}"


def thread_cache(team: str, channel: str, thread_ts: str) -> str:
    """Return the bot's copy of a thread: a hash of `ts` to message."""
    return f"starchat:{team}:thread_cache:{channel}:{thread_ts}"


def thread_people(team: str, channel: str, thread_ts: str) -> str:
    """
    Return the set of the people who have written in a thread: ids, and no text.

    The member `*` says that the set is complete, and the empty member that it exists.
    """
    return f"starchat:{team}:thread_people:{channel}:{thread_ts}"


def text_index(team: str) -> str:
    """Return the sorted set of a team's caches of text, by the time of their last change (s)."""
    return f"starchat:{team}:text_index"


def text_sizes(team: str) -> str:
    """Return the sizes of a team's caches of text (bytes), with their `total`: a hash."""
    return f"starchat:{team}:text_sizes"


def thread_mode(team: str, channel: str, thread_ts: str) -> str:
    """Return how the bot follows a thread: `auto`, `follow` or `mute`."""
    return f"starchat:{team}:thread_mode:{channel}:{thread_ts}"


def thread_joined(team: str, channel: str, thread_ts: str) -> str:
    """Return the `ts` of the first message of a thread that addressed the bot."""
    return f"starchat:{team}:thread_joined:{channel}:{thread_ts}"


def welcome(team: str, channel: str) -> str:
    """Return the mark of a channel that was welcomed."""
    return f"starchat:{team}:welcome:{channel}"


def told_people(team: str) -> str:
    """Return the users who were told that the model is for research, by the time of that."""
    return f"starchat:{team}:told_people"


def channel_rules(team: str) -> str:
    """Return the cached rules of a team's channels: a hash without time limit, see `RulesCache`."""
    return f"starchat:{team}:channel_rules"


def channel_moves(team: str) -> str:
    """Return the list of channels whose rules the database has under a former id: `old new`."""
    return f"starchat:{team}:channel_moves"


def user_profile(team: str, user: str) -> str:
    """Return the cached profile of a user as JSON: the name, and whether the user is a guest."""
    return f"starchat:{team}:user_profile:{user}"


def answer_cache(team: str, channel: str, thread_ts: str) -> str:
    """Return the worker's finished answers in a thread: a hash of the question's `ts` to JSON."""
    return f"starchat:{team}:answer_cache:{channel}:{thread_ts}"


def file_cache(team: str, channel: str, thread_ts: str) -> str:
    """Return the texts of the files of a thread: a hash of `file_field` to JSON."""
    return f"starchat:{team}:file_cache:{channel}:{thread_ts}"


def file_field(file_id: str, message_ts: str) -> str:
    """Return the field of a file that a message shares."""
    return f"{file_id}:{message_ts}"


def job_lease(job: str) -> str:
    """Return the lease of a job: the execution that may act for it. It expires by Redis' clock."""
    team = job.split("-", 1)[0]
    return f"starchat:{team}:lease:{job}"


def connection_window(team: str) -> str:
    """Return since when and until when a team's events reached a bot (s, Slack's clock): a hash."""
    return f"starchat:{team}:connection_window"


def rate_limit(team: str, method: str) -> str:
    """Return the token bucket of one Web API method in one workspace, shared by all processes."""
    return f"starchat:{team}:rate_limit:{method}"
