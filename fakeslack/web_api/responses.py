"""Response URLs: the addresses through which apps answer interactions and slash commands."""

from aiohttp import web

from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import read_json
from fakeslack.state.messages import Message
from fakeslack.state.trigger_ids import ResponseUrl
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import build_bot_message, parse_content, parse_post_options


class ResponseUrlRoutes:
    """Receives what the app posts to a response URL."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def response_routes(self) -> list[web.RouteDef]:
        """Return the response URL route."""
        return [web.post("/response/{name}", self._receive_response)]

    async def _receive_response(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        try:
            response_url = self._workspace.response_urls.use_url(request.match_info["name"])
            apply_response(self._workspace, response_url, body)
        except SlackError as refusal:
            return web.json_response(refusal.to_response(), status=404)
        return web.Response(text="ok")


def apply_response(workspace: Workspace, response_url: ResponseUrl, body: Json) -> None:
    """Apply a response: delete or replace the original message, or post a new one."""
    args = Arguments(body)
    original = response_url.message
    if args.get_flag("delete_original") and original is not None:
        _delete_original(workspace, original)
        return
    message_content = parse_content(args)
    options = parse_post_options(args)
    if args.get_flag("replace_original") and original is not None:
        _replace_original(workspace, original.with_options(options), message_content)
        return
    message_content["thread_ts"] = args.get_text("thread_ts") or None
    message_body = build_bot_message(workspace, message_content)
    if args.get_text("response_type") == "in_channel":
        workspace.post_message(response_url.channel, message_body, options)
    else:
        workspace.post_ephemeral(response_url.channel, response_url.person, message_body, options)


def _delete_original(workspace: Workspace, original: Message) -> None:
    if original.only_for is not None:
        workspace.delete_ephemeral(original)
    else:
        workspace.delete_message(workspace.get_message(original.channel, original.ts))


def _replace_original(workspace: Workspace, original: Message, message_content: Json) -> None:
    if original.only_for is not None:
        workspace.delete_ephemeral(original)
        workspace.post_ephemeral(
            original.channel,
            original.only_for,
            build_bot_message(workspace, message_content),
            original.options,
        )
        return
    current = workspace.get_message(original.channel, original.ts)
    current = current.with_options(original.options)
    workspace.edit_message(current, str(workspace.app.bot.bot_id), **message_content)
