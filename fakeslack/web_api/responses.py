"""The answering addresses (`response_url`) that interactions and commands carry."""

from aiohttp import web

from fakeslack.errors import Json, SlackError
from fakeslack.json_requests import asked
from fakeslack.state.messages import Message
from fakeslack.state.trigger_ids import Answer
from fakeslack.state.workspace import Workspace
from fakeslack.web_api.arguments import Arguments
from fakeslack.web_api.chat import content, signed


class Responses:
    """Takes what the app answers there."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [web.post("/response/{name}", self._answered)]

    async def _answered(self, request: web.Request) -> web.Response:
        body = await asked(request)
        try:
            answer = self._workspace.answers.use(request.match_info["name"])
            respond(self._workspace, answer, body)
        except SlackError as refusal:
            return web.json_response(refusal.answer(), status=404)
        return web.Response(text="ok")


def respond(workspace: Workspace, answer: Answer, body: Json) -> None:
    """Do what the body of an answer says: replace or delete the message, or say something."""
    args = Arguments(body)
    original = answer.message
    if args.flag("delete_original") and original is not None:
        _remove(workspace, original)
        return
    said = content(args)
    if args.flag("replace_original") and original is not None:
        _replace(workspace, original, said)
        return
    said["thread_ts"] = args.text("thread_ts") or None
    whole = signed(workspace, said)
    if args.text("response_type") == "in_channel":
        workspace.post(answer.channel, whole)
    else:
        workspace.whisper(answer.channel, answer.person, whole)


def _remove(workspace: Workspace, original: Message) -> None:
    if original.only_for is not None:
        workspace.unwhisper(original)
    else:
        workspace.delete(workspace.message(original.channel, original.ts))


def _replace(workspace: Workspace, original: Message, said: Json) -> None:
    if original.only_for is not None:
        workspace.unwhisper(original)
        workspace.whisper(original.channel, original.only_for, signed(workspace, said))
        return
    now = workspace.message(original.channel, original.ts)
    workspace.edited(now, workspace.app.bot.id, **said)
