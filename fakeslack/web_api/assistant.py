"""`assistant.threads.*` and `agents.sessions.*`: status, title, suggested prompts, session."""

from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import SessionStatus
from fakeslack.state.channels import ChannelType
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments, missing_argument
from fakeslack.web_api.chat import get_visible_channel
from fakeslack.web_api.method import Method, split_names

APPEARANCE_ARGUMENTS = split_names("icon_emoji icon_url username")
MAX_LOADING_MESSAGES = 10
MAX_PROMPTS = 4
MAX_TITLE_CHARACTERS = 200
MISSING_SUBSCRIPTION_WARNING = "missing_agent_session_stopped_event_subscription"


def _get_thread(workspace: Workspace, args: Arguments) -> tuple[str, str]:
    channel = get_visible_channel(workspace, args.require_text("channel_id"))
    thread_ts = args.require_text("thread_ts")
    if workspace.channel_history(channel.id).find_message(thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    return channel.id, thread_ts


def _assistant_threads_set_status(workspace: Workspace, args: Arguments) -> Json:
    channel, thread_ts = _get_thread(workspace, args)
    if "status" not in args.values:
        raise missing_argument("status")
    if len(args.get_list("loading_messages")) > MAX_LOADING_MESSAGES:
        raise SlackError("invalid_arguments", "[ERROR] no more than 10 items allowed")
    workspace.agent_sessions.set_status_line(channel, thread_ts, args.get_text("status"))
    return {}


def _assistant_threads_set_title(workspace: Workspace, args: Arguments) -> Json:
    channel, thread_ts = _get_thread(workspace, args)
    workspace.agent_sessions.set_title(channel, thread_ts, args.require_text("title"))
    return {}


def _assistant_threads_set_suggested_prompts(workspace: Workspace, args: Arguments) -> Json:
    if args.has_value("thread_ts"):
        channel, thread_ts = _get_thread(workspace, args)
    else:
        channel, thread_ts = get_visible_channel(workspace, args.require_text("channel_id")).id, ""
    prompts = args.get_list("prompts")
    if not prompts:
        raise missing_argument("prompts")
    for prompt in prompts:
        if not isinstance(prompt, dict) or not {"title", "message"} <= prompt.keys():
            raise SlackError("invalid_arguments", "[ERROR] a prompt needs title and message")
    workspace.agent_sessions.set_suggested_prompts(
        channel, thread_ts or None, prompts[:MAX_PROMPTS]
    )
    return {}


def _agents_sessions_set_status(workspace: Workspace, args: Arguments) -> Json:
    channel = get_visible_channel(workspace, args.require_text("channel_id"))
    status = SessionStatus.parse_status(args.require_text("status"))
    thread_ts = args.get_text("thread_ts")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    if workspace.channel_history(channel.id).find_message(thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    title = args.get_text("title")
    if len(title) > MAX_TITLE_CHARACTERS:
        raise SlackError("invalid_arguments", "[ERROR] title is too long")
    if (
        args.has_value("initiator_user_id")
        and args.get_text("initiator_user_id") not in workspace.people
    ):
        raise SlackError("user_not_found")
    is_new = workspace.agent_sessions.session_status(channel.id, thread_ts) is None
    workspace.agent_sessions.set_session_status(channel.id, thread_ts, status)
    if title and is_new:
        workspace.agent_sessions.set_title(channel.id, thread_ts, title)
    if status is SessionStatus.PROCESSING and "agent_session_stopped" not in workspace.app.events:
        return {
            "warning": MISSING_SUBSCRIPTION_WARNING,
            "response_metadata": {"warnings": [MISSING_SUBSCRIPTION_WARNING]},
        }
    return {}


def _agents_sessions_rename(workspace: Workspace, args: Arguments) -> Json:
    title = args.require_text("title")
    if len(title) > MAX_TITLE_CHARACTERS:
        raise SlackError("invalid_arguments", "[ERROR] title is too long")
    channel = get_visible_channel(workspace, args.require_text("channel_id"))
    thread_ts = args.get_text("thread_ts")
    if not thread_ts:
        raise SlackError(
            "thread_ts_required" if channel.channel_type is ChannelType.IM else "session_not_found"
        )
    if workspace.agent_sessions.session_status(channel.id, thread_ts) is None:
        raise SlackError("session_not_found")
    workspace.agent_sessions.set_title(channel.id, thread_ts, title)
    return {}


METHODS: Mapping[str, Method] = {
    "assistant.threads.setStatus": Method(
        _assistant_threads_set_status,
        APPEARANCE_ARGUMENTS | split_names("channel_id thread_ts status loading_messages"),
        scope="chat:write",
        tier=0,
    ),
    "assistant.threads.setTitle": Method(
        _assistant_threads_set_title,
        split_names("channel_id thread_ts title"),
        scope="assistant:write",
        tier=4,
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        _assistant_threads_set_suggested_prompts,
        split_names("channel_id thread_ts title prompts"),
        scope="assistant:write",
        tier=4,
    ),
    "agents.sessions.setStatus": Method(
        _agents_sessions_set_status,
        APPEARANCE_ARGUMENTS | split_names("channel_id status thread_ts title initiator_user_id"),
        scope="chat:write",
    ),
    "agents.sessions.rename": Method(
        _agents_sessions_rename, split_names("channel_id title thread_ts"), scope="chat:write"
    ),
}
