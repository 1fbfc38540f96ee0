"""Chat template: renders a checkpoint's Jinja template without trusting any text in it."""

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

from worker.prompt.chat_format import LiteralText, Message, PromptPiece
from worker.prompt.tokenizer import CheckpointError

LEFT_SENTINEL: Final = "\x1e"
RIGHT_SENTINEL: Final = "\x1f"
"""White space that no template writes: if it is missing, the template trims its texts."""

TEMPLATE_ERRORS: Final = (
    *(jinja2.TemplateError, LookupError, TypeError, ValueError),
    *(AttributeError, ArithmeticError, RuntimeError),
)
"""Exceptions that rendering a template may raise."""


class ChatTemplate:
    """
    A model's own chat template as a chat format.

    The template is rendered with a random sentinel in place of each text, never with the text
    itself. So no message can influence what the template does.
    """

    def __init__(self, source: str, variables: dict[str, str]) -> None:
        """Compile the template. Raises `CheckpointError` if it cannot render a conversation."""
        self._variables = variables
        try:
            self._template = _create_environment().from_string(source)
            self._verify_texts()
        except TEMPLATE_ERRORS as error:
            raise CheckpointError(f"the chat template cannot be used: {error}") from error
        self._supports_system = self._probe_system_role()

    def __call__(self, messages: Sequence[Message], system: str) -> list[PromptPiece]:
        """Render the messages; without a system text, the template's default applies."""
        texts = [(str(message.speaker), message.text) for message in messages]
        if system and self._supports_system:
            texts.insert(0, ("system", system))
        elif system:
            texts[0] = (texts[0][0], f"{system}\n\n{texts[0][1]}")
        return self._render_pieces(texts)

    def _render_pieces(self, texts: Sequence[tuple[str, str]]) -> list[PromptPiece]:
        sentinel = secrets.token_hex(16)
        rendered = self._template.render(
            messages=[
                {"role": role, "content": f"{LEFT_SENTINEL}{sentinel}.{index}.{RIGHT_SENTINEL}"}
                for index, (role, _) in enumerate(texts)
            ],
            add_generation_prompt=True,
            tools=None,
            documents=None,
            **self._variables,
        )
        fragments = re.split(rf"({LEFT_SENTINEL}?){sentinel}\.(\d+)\.({RIGHT_SENTINEL}?)", rendered)
        pieces: list[PromptPiece] = [fragments[0]]
        for left, index, right, after in zip(*(fragments[n::4] for n in (1, 2, 3, 4)), strict=True):
            pieces += [LiteralText(_trim_text(texts[int(index)][1], left, right)), after]
        return pieces

    def _verify_texts(self) -> None:
        conversation = [("user", "1"), ("assistant", "2"), ("user", "3")]
        for length in (1, 3):
            texts = [
                piece.text
                for piece in self._render_pieces(conversation[:length])
                if isinstance(piece, LiteralText)
            ]
            if texts != [text for _, text in conversation[:length]]:
                raise ValueError("it omits or repeats a text")

    def _probe_system_role(self) -> bool:
        try:
            return LiteralText("1") in self._render_pieces([("system", "1"), ("user", "2")])
        except TEMPLATE_ERRORS:
            return False


def load_chat_template(directory: Path) -> ChatTemplate | None:
    """Load the chat template of a checkpoint; `None` if it has none. Raises `CheckpointError`."""
    try:
        config = {
            **_read_json(directory / "special_tokens_map.json"),
            **_read_json(directory / "tokenizer_config.json"),
        }
        template_file = directory / "chat_template.jinja"
        source = (
            template_file.read_text("utf-8") if template_file.is_file() else _select_source(config)
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{directory} has no readable chat template: {error!r}") from error
    return None if source is None else ChatTemplate(source, _read_token_variables(config))


def _read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}


def _select_source(config: dict[str, Any]) -> str | None:
    source = config.get("chat_template")
    if isinstance(source, list):
        source = {named["name"]: named["template"] for named in source}["default"]
    return source


def _read_token_variables(config: dict[str, Any]) -> dict[str, str]:
    """Return `bos_token` and the like, which templates may use as variables."""
    variables = {}
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            variables[name] = text
    return variables


def _trim_text(text: str, left: str, right: str) -> str:
    text = text if left else text.lstrip()
    return text if right else text.rstrip()


class _GenerationTag(Extension):
    """The tag `generation`, which marks model output for training; ignored here."""

    tags = {"generation"}  # noqa: RUF012 - as jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _SafeNamespace(Namespace):
    """A template's `namespace`, which refuses names that begin with an underscore."""

    def __init__(self, *values: Any, **names: Any) -> None:
        super().__init__()
        for name, value in dict(*values, **names).items():
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise jinja2.exceptions.SecurityError(f"a namespace cannot hold {name}")
        super().__setitem__(name, value)


def _create_environment() -> ImmutableSandboxedEnvironment:
    """Return the sandboxed environment that model authors write their templates for."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = _dump_json
    environment.globals |= {
        "raise_exception": _raise_template_error,
        "strftime_now": lambda form: datetime.now().strftime(form),  # noqa: DTZ005 - the local date
        "namespace": _SafeNamespace,
    }
    return environment


def _raise_template_error(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


def _dump_json(value: Any, indent: int | None = None, **options: Any) -> str:
    """Dump JSON without escapes: Jinja's own filter escapes it for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent, **options)
