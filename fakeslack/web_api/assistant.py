"""What an assistant shows beside its messages: status, title, prompts, session."""

from collections.abc import Mapping

from fakeslack.errors import Json, SlackError
from fakeslack.state.agent_sessions import Status
from fakeslack.state.channels import Kind
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments, missing
from fakeslack.web_api.chat import visible
from fakeslack.web_api.method import Method, takes

LOOKS = takes("icon_emoji icon_url username")
MOST_LOADING = 10
MOST_PROMPTS = 4
LONGEST_TITLE = 200
UNSUBSCRIBED = "missing_agent_session_stopped_event_subscription"


def _thread(workspace: Workspace, args: Arguments) -> tuple[str, str]:
    channel = visible(workspace, args.required("channel_id"))
    thread_ts = args.required("thread_ts")
    if workspace.history(channel.id).find(thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    return channel.id, thread_ts


def _set_status(workspace: Workspace, args: Arguments) -> Json:
    channel, thread_ts = _thread(workspace, args)
    if "status" not in args.given:
        raise missing("status")
    if len(args.items("loading_messages")) > MOST_LOADING:
        raise SlackError("invalid_arguments", "[ERROR] no more than 10 items allowed")
    workspace.sessions.say(channel, thread_ts, args.text("status"))
    return {}


def _set_title(workspace: Workspace, args: Arguments) -> Json:
    channel, thread_ts = _thread(workspace, args)
    workspace.sessions.entitle(channel, thread_ts, args.required("title"))
    return {}


def _set_prompts(workspace: Workspace, args: Arguments) -> Json:
    if args.has("thread_ts"):
        channel, thread_ts = _thread(workspace, args)
    else:
        channel, thread_ts = visible(workspace, args.required("channel_id")).id, ""
    prompts = args.items("prompts")
    if not prompts:
        raise missing("prompts")
    for prompt in prompts:
        if not isinstance(prompt, dict) or not {"title", "message"} <= prompt.keys():
            raise SlackError("invalid_arguments", "[ERROR] a prompt needs title and message")
    workspace.sessions.suggest(channel, thread_ts or None, prompts[:MOST_PROMPTS])
    return {}


def _set_session(workspace: Workspace, args: Arguments) -> Json:
    channel = visible(workspace, args.required("channel_id"))
    status = Status.named(args.required("status"))
    thread_ts = args.text("thread_ts")
    if not thread_ts:
        raise SlackError("thread_ts_required")
    if workspace.history(channel.id).find(thread_ts) is None:
        raise SlackError("invalid_thread_ts")
    title = args.text("title")
    if len(title) > LONGEST_TITLE:
        raise SlackError("invalid_arguments", "[ERROR] title is too long")
    if args.has("initiator_user_id") and args.text("initiator_user_id") not in workspace.people:
        raise SlackError("user_not_found")
    workspace.sessions.set(channel.id, thread_ts, status)
    if title:
        workspace.sessions.entitle(channel.id, thread_ts, title)
    if status is Status.PROCESSING and "agent_session_stopped" not in workspace.app.events:
        return {"warning": UNSUBSCRIBED, "response_metadata": {"warnings": [UNSUBSCRIBED]}}
    return {}


def _rename(workspace: Workspace, args: Arguments) -> Json:
    title = args.required("title")
    if len(title) > LONGEST_TITLE:
        raise SlackError("invalid_arguments", "[ERROR] title is too long")
    channel = visible(workspace, args.required("channel_id"))
    thread_ts = args.text("thread_ts")
    if not thread_ts:
        raise SlackError("thread_ts_required" if channel.kind is Kind.IM else "session_not_found")
    workspace.sessions.entitle(channel.id, thread_ts, title)
    return {}


METHODS: Mapping[str, Method] = {
    "assistant.threads.setStatus": Method(
        _set_status,
        LOOKS | takes("channel_id thread_ts status loading_messages"),
        scope="chat:write",
        tier=0,
    ),
    "assistant.threads.setTitle": Method(
        _set_title, takes("channel_id thread_ts title"), scope="assistant:write", tier=4
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        _set_prompts,
        takes("channel_id thread_ts title prompts"),
        scope="assistant:write",
        tier=4,
    ),
    "agents.sessions.setStatus": Method(
        _set_session,
        LOOKS | takes("channel_id status thread_ts title initiator_user_id"),
        scope="chat:write",
    ),
    "agents.sessions.rename": Method(
        _rename, takes("channel_id title thread_ts"), scope="chat:write"
    ),
}
