"""Dialect interface: calls, events and errors that all dialects of inference servers share."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from worker.engine import FinishReason, Request

Json = dict[str, Any]
FetchJson = Callable[[str], Awaitable[Json]]
"""Fetches a path of the server. Raises the errors of `worker.remote_engine.server`."""
MAX_TOKEN_ID: Final = 2**31


class DialectError(Exception):
    """The server sent something that the dialect does not know. The message is one line."""


class WrongPromptError(DialectError):
    """The server read other token ids than it was sent: control tokens would be open."""


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """
    A request with what a server needs beside it.

    `name` identifies the request at the server. `salt` keeps the prefix caches of teams apart.
    `session` sends the requests of a thread to the same replica.
    """

    request: Request
    name: str
    model: str
    salt: str
    session: str


@dataclass(frozen=True, slots=True)
class HttpPost:
    """A POST with JSON."""

    path: str
    body: Json
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EncodableText:
    """
    Text of an event of a server that may leave out ids.

    `total` tokens have been generated so far, with those left out. `call` encodes the text.
    """

    total: int
    call: HttpPost


@dataclass(frozen=True, slots=True)
class Piece:
    """
    One event of a stream.

    `ids` are new tokens; with `total`, the tokens of the reply so far, only the last of `ids` are
    new. `text` is that of `ids`, and of ids before them that were left out. `prompt_ids` or
    `prompt_tokens` say what the server read, where it says so.
    """

    ids: tuple[int, ...] = ()
    total: int | None = None
    reason: FinishReason | None = None
    prompt_ids: tuple[int, ...] | None = None
    prompt_tokens: int | None = None
    text: EncodableText | None = None


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model of the server: its name there, and the tokens of its context window if known."""

    name: str
    max_positions: int | None


class Dialect(Protocol):
    """Requests and events of one kind of server."""

    product: str
    """The server's product name."""
    proves_prompt_first: bool
    """Whether the first event says which prompt the server read, or only the last one."""

    async def find_served_model(self, fetch_json: FetchJson, wanted: str) -> ServedModel:
        """
        Return the model that the server has; `wanted` if it has several.

        Raises `DialectError` if there is none.
        """
        ...

    def build_call(self, call: RemoteCall) -> HttpPost:
        """Return the POST that continues a prompt, with every sampling parameter."""
        ...

    def build_abort(self, name: str) -> HttpPost | None:
        """Return the POST that ends a request; `None` if closing its stream is all there is."""
        ...

    def read_piece(self, event: Json) -> Piece:
        """Read one event of the stream. Raises `DialectError`."""
        ...


def read_ids(value: object) -> tuple[int, ...]:
    """Return a list of token ids. Raises `DialectError` for anything else."""
    if not isinstance(value, list) or not all(
        type(one) is int and 0 <= one < MAX_TOKEN_ID for one in value
    ):
        raise DialectError("the server sent something else than token ids")
    return tuple(value)


def read_count(value: object) -> int | None:
    """Return a number of tokens; `None` for anything else."""
    return value if type(value) is int and value >= 0 else None


def read_object(value: object) -> Json:
    """Return a JSON object. Raises `DialectError` for anything else."""
    if not isinstance(value, dict):
        raise DialectError("the server sent something else than a JSON object")
    return value


def read_reason(name: object) -> FinishReason | None:
    """Return the reason of the OpenAI API. Raises `DialectError` if the server ended the reply."""
    match name:
        case None:
            return None
        case "stop":
            return FinishReason.STOP
        case "length":
            return FinishReason.LENGTH
        case _:
            raise DialectError("the server ended the request")


def choose_model(listed: object, wanted: str) -> Json:
    """Return the entry of `GET /v1/models` for a model. Raises `DialectError` if there is none."""
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    named = [entry for entry in entries if entry.get("id") == wanted]
    found = named or (entries if len(entries) == 1 else [])
    if not found or not isinstance(found[0].get("id"), str):
        # In quotes with escapes: a name can't begin a line in a log.
        names = ", ".join(ascii(entry.get("id"))[:80] for entry in entries[:5]) or "none"
        raise DialectError(f"the server has no model {wanted}; it has: {names}")
    return found[0]


async def find_listed_model(fetch_json: FetchJson, wanted: str) -> ServedModel:
    """Return a model of `GET /v1/models` and its window. Raises `DialectError` if there is none."""
    entry = choose_model((await fetch_json("/v1/models")).get("data"), wanted)
    return ServedModel(entry["id"], read_count(entry.get("max_model_len")))
