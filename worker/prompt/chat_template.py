"""Lays a conversation out by the chat template in a checkpoint, without trusting any text in it."""

import json
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from worker.prompt.chat_format import Message, Piece, Said
from worker.prompt.tokenizer import CheckpointError

LEFT: Final = "\x1e"
RIGHT: Final = "\x1f"
"""White space that no template writes: where it is gone, the template trims its texts."""

BROKEN: Final = (
    *(jinja2.TemplateError, LookupError, TypeError, ValueError),
    *(AttributeError, ArithmeticError, RuntimeError),
)
"""What a template may raise while it is rendered."""


class ChatTemplate:
    """
    A model's own chat template as a scaffold.

    The template sees a random sentinel in place of each text and is never shown the text itself,
    so nothing that is said can change what the template does.
    """

    def __init__(self, source: str, variables: dict[str, str]) -> None:
        """Compile the template. Raises `CheckpointError` if it cannot lay out a conversation."""
        self._variables = variables
        try:
            self._template = _environment().from_string(source)
            self._try()
        except BROKEN as error:
            raise CheckpointError(f"the chat template cannot be used: {error}") from error
        self._takes_system = self._try_system()

    def __call__(self, messages: Sequence[Message], system: str) -> list[Piece]:
        """Lay out the messages; without a system text the template's own default holds."""
        texts = [(str(message.speaker), message.text) for message in messages]
        if system and self._takes_system:
            texts.insert(0, ("system", system))
        elif system:
            texts[0] = (texts[0][0], f"{system}\n\n{texts[0][1]}")
        return self._render(texts)

    def _render(self, texts: Sequence[tuple[str, str]]) -> list[Piece]:
        key = secrets.token_hex(16)
        rendered = self._template.render(
            messages=[
                {"role": role, "content": f"{LEFT}{key}.{place}.{RIGHT}"}
                for place, (role, _) in enumerate(texts)
            ],
            add_generation_prompt=True,
            tools=None,
            documents=None,
            **self._variables,
        )
        found = re.split(rf"({LEFT}?){key}\.(\d+)\.({RIGHT}?)", rendered)
        pieces: list[Piece] = [found[0]]
        for left, place, right, after in zip(*(found[n::4] for n in (1, 2, 3, 4)), strict=True):
            pieces += [Said(_trimmed(texts[int(place)][1], left, right)), after]
        return pieces

    def _try(self) -> None:
        said = [("user", "1"), ("assistant", "2"), ("user", "3")]
        for length in (1, 3):
            texts = [piece.text for piece in self._render(said[:length]) if isinstance(piece, Said)]
            if texts != [text for _, text in said[:length]]:
                raise ValueError("it leaves a text out, or repeats one")

    def _try_system(self) -> bool:
        try:
            return Said("1") in self._render([("system", "1"), ("user", "2")])
        except BROKEN:
            return False


def load(directory: Path) -> ChatTemplate | None:
    """Read the template of a checkpoint, or `None` where it has none. Raises `CheckpointError`."""
    try:
        config = {
            **_json(directory / "special_tokens_map.json"),
            **_json(directory / "tokenizer_config.json"),
        }
        file = directory / "chat_template.jinja"
        source = file.read_text("utf-8") if file.is_file() else _default(config)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{directory} has no readable chat template: {error!r}") from error
    return None if source is None else ChatTemplate(source, _variables(config))


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _default(config: dict[str, Any]) -> str | None:
    source = config.get("chat_template")
    if isinstance(source, list):
        source = {named["name"]: named["template"] for named in source}["default"]
    return source


def _variables(config: dict[str, Any]) -> dict[str, str]:
    """Return `bos_token` and its like, which templates may name."""
    found = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            found[name] = text
    return found


def _trimmed(text: str, left: str, right: str) -> str:
    text = text if left else text.lstrip()
    return text if right else text.rstrip()


class _Generation(Extension):
    """The tag `generation` marks what the model wrote, for training; here it does nothing."""

    tags = {"generation"}  # noqa: RUF012 - as jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Names(Namespace):
    """A template's `namespace`, which keeps no name that begins with an underscore."""

    def __init__(self, *given: Any, **names: Any) -> None:
        super().__init__()
        for name, value in dict(*given, **names).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace keeps no {name}")
        super().__setitem__(name, value)


def _environment() -> ImmutableSandboxedEnvironment:
    """Return the surroundings that model authors write their templates for."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": lambda form: datetime.now().strftime(form),  # noqa: DTZ005 - people's own day
        "namespace": _Names,
    }
    return environment


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _tojson(value: Any, indent: int | None = None, **options: Any) -> str:
    """Write JSON as it is: jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)
