"""Event stream of the page: the changes that one person may see, as server-sent events."""

import asyncio
import json

from aiohttp import web

from fakeslack.state.change_log import ChangeLog
from fakeslack.state.workspace import Workspace
from fakeslack.ui.visibility import Viewer

KEEP_ALIVE_SECONDS = 15.0


class EventStream:
    """Sends the change log to a page, from the number on that the page has last seen."""

    def __init__(self, workspace: Workspace, change_log: ChangeLog) -> None:
        self._workspace = workspace
        self._change_log = change_log

    async def stream_changes(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /_page/events` until the page or the workspace closes."""
        viewer = Viewer(self._workspace, request.query.get("user", ""))
        last_id = request.headers.get("Last-Event-ID") or request.query.get("since")
        start_number = (
            int(last_id) + 1 if last_id and last_id.isdigit() else self._change_log.next_number
        )
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await stream.prepare(request)
        await stream.write(b": welcome\n\n")
        try:
            await self._write_changes(stream, viewer, start_number)
        except ConnectionError:
            return stream  # the person closed the page
        return stream

    async def _write_changes(
        self, stream: web.StreamResponse, viewer: Viewer, next_number: int
    ) -> None:
        while not self._change_log.is_log_closed:
            for change_number, change in self._change_log.changes_since(next_number):
                next_number = change_number + 1
                details = viewer.describe_change(change)
                if details is not None:
                    frame = f"id: {change_number}\ndata: {json.dumps(details)}\n\n"
                    await stream.write(frame.encode())
            try:
                await asyncio.wait_for(
                    self._change_log.wait_for_change(next_number), KEEP_ALIVE_SECONDS
                )
            except TimeoutError:
                await stream.write(b": still here\n\n")
