"""Chat templates of other models: rendered as intended, and closed to every text."""

import json
from pathlib import Path

import pytest

from contract.conversation import Speaker
from testing.hostile_prompts import disguise_token
from worker.prompt import chat_template
from worker.prompt.chat_format import LiteralText, Message
from worker.prompt.chat_template import ChatTemplate
from worker.prompt.tokenizer import CheckpointError

MESSAGES = (
    Message(Speaker.USER, "one"),
    Message(Speaker.ASSISTANT, "two"),
    Message(Speaker.USER, "three"),
)
LOOP_START = "{% for m in messages %}"
LOOP_END = "{% endfor %}"


def render_template(source: str, system: str = "", **variables: str) -> str:
    """Return the pieces of a template as one text, with literal texts in brackets."""
    pieces = ChatTemplate(source, variables)(MESSAGES, system)
    return "".join(p if isinstance(p, str) else f"[{p.text}]" for p in pieces)


def test_texts_are_placed_by_the_template() -> None:
    """Roles, line breaks and the start of the reply come from the template."""
    source = (
        LOOP_START
        + "<{{ m['role'] }}>{{ m['content'] + '/' }}"
        + LOOP_END
        + ("{% if add_generation_prompt %}<reply>{% endif %}")
    )

    assert render_template(source) == "<user>[one]/<assistant>[two]/<user>[three]/<reply>"


def test_system_text_is_a_turn() -> None:
    """If the template supports system turns, the system text is one."""
    assert render_template(LOOP_START + "{{ m.role }}:{{ m.content }};" + LOOP_END, "be kind") == (
        "system:[be kind];user:[one];assistant:[two];user:[three];"
    )


@pytest.mark.parametrize(
    "source",
    [
        LOOP_START
        + "{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content }}"
        + LOOP_END,
        LOOP_START + "{% if m.role != 'system' %}{{ m.content }}{% endif %}" + LOOP_END,
    ],
)
def test_system_text_precedes_first_question(
    source: str,
) -> None:
    """A template without system turns does not lose the system text."""
    assert render_template(source, "be kind") == "[be kind\n\none][two][three]"
    assert render_template(source) == "[one][two][three]"


def test_trimming_template_trims_texts() -> None:
    """The template's trimming is applied, though it never sees the text."""
    asked = (Message(Speaker.USER, "\n  a b \n"),)

    def said(content: str) -> str:
        (piece,) = (
            p
            for p in ChatTemplate(LOOP_START + content + LOOP_END, {})(asked, "")
            if isinstance(p, LiteralText)
        )
        return piece.text

    assert said(" {{ m.content | trim }} ") == "a b"
    assert said("{{ m.content.lstrip() }}") == "a b \n"
    assert said("{{ m.content.rstrip() }}") == "\n  a b"
    assert said("{{ m.content }}") == "\n  a b \n"


def test_template_features_are_available() -> None:
    """Loop controls, namespaces, dates, JSON, training marks and trimmed blocks work."""
    source = (
        "{% set ns = namespace(n=0) %}\n"
        "{{ {'a': ['<é>']} | tojson }}{{ strftime_now('%%') }}{{ bos_token }}\n"
        "  {% for m in messages %}\n"
        "{% if tools %}{% continue %}{% endif %}\n"
        "{% set ns.n = ns.n + 1 %}\n"
        "{% generation %}{{ ns.n }}{{ m.content }}{% endgeneration %}\n"
        "{% if ns.n > 5 %}{% break %}{% endif %}\n"
        "{% endfor %}\n"
    )

    assert render_template(source, bos_token="<s>") == '{"a": ["<é>"]}%<s>\n1[one]2[two]3[three]'


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m.content }}",
        "{{ raise_exception('only with pictures') }}",
        "{{ messages[9].content }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[0].content }}",
        LOOP_START + "{{ m.content }}{{ m.content }}" + LOOP_END,
        LOOP_START + "{{ m.content | upper }}" + LOOP_END,
        "{{ (messages | map(attribute='content') | list)[::-1] | join }}",
    ],
)
def test_unusable_template_is_refused_when_loaded(source: str) -> None:
    """Broken and forbidden templates, and those that omit or repeat texts, are refused."""
    with pytest.raises(CheckpointError, match="the chat template cannot be used"):
        ChatTemplate(source, {})


@pytest.mark.parametrize(
    "attack",
    [
        "{{ messages.append({'role': 'user', 'content': 'more'}) }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ dict.__subclasses__() }}",
        "{% set ns = namespace(n=1) %}{% set ns.__class__ = 1 %}",
        "{% set ns = namespace(_n=1) %}",
        "{% for n in range(999999999) %}{% endfor %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% include '/etc/passwd' %}",
    ],
)
def test_template_is_sandboxed(attack: str) -> None:
    """A checkpoint is a stranger's work: unsafe operations are refused."""
    with pytest.raises(CheckpointError, match="the chat template cannot be used"):
        ChatTemplate(attack + LOOP_START + "{{ m.content }}" + LOOP_END, {})


def test_text_is_never_template_source() -> None:
    """A text that is template source, or looks like a sentinel, stays a text."""
    scaffold = ChatTemplate(LOOP_START + "{{ m.content }}" + LOOP_END, {})
    for text in (*disguise_token("<|end|>"), "{{ 7 * 7 }}", "{% for x in y %}", "\x1e0.0.\x1f", ""):
        pieces = scaffold((Message(Speaker.USER, text),), text)

        assert [p for p in pieces if p] == [LiteralText(text)] * (2 if text else 1)


def test_template_file_overrides_configuration(tmp_path: Path) -> None:
    """A checkpoint may have a template file and one in its configuration."""
    write_config(tmp_path, chat_template="configured {{ messages }}")
    (tmp_path / "chat_template.jinja").write_text(
        LOOP_START + "file {{ m.content }}" + LOOP_END, "utf-8"
    )

    assert render_loaded(tmp_path) == "file [?]"


def test_default_of_several_templates_is_used(tmp_path: Path) -> None:
    """A checkpoint may name several templates: `default` is the one for chat."""
    several = [
        {"name": "tool_use", "template": "tools"},
        {"name": "default", "template": LOOP_START + "{{ m.content }}" + LOOP_END},
    ]
    write_config(tmp_path, chat_template=several)

    assert render_loaded(tmp_path) == "[?]"


def test_token_variables_come_from_configuration(tmp_path: Path) -> None:
    """Templates may use the checkpoint's tokens, in either form of its files."""
    (tmp_path / "special_tokens_map.json").write_text(
        '{"bos_token": {"content": "<b>"}, "eos_token": "<old>"}', "utf-8"
    )
    write_config(
        tmp_path,
        eos_token="<e>",
        pad_token=None,
        chat_template="{{ bos_token }}{{ pad_token }}"
        + LOOP_START
        + "{{ m.content }}"
        + LOOP_END
        + "{{ eos_token }}",
    )

    assert render_loaded(tmp_path) == "<b>[?]<e>"


def test_checkpoint_without_template_gives_none(tmp_path: Path) -> None:
    """Neither a file nor an entry: the caller decides whether that is an error."""
    assert chat_template.load_chat_template(tmp_path) is None
    write_config(tmp_path, model_max_length=1)
    assert chat_template.load_chat_template(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["{", "[1]", '{"chat_template": [{"name": "rag", "template": "x"}]}']
)
def test_unreadable_configuration_is_refused(tmp_path: Path, content: str) -> None:
    """The error names the checkpoint."""
    (tmp_path / "tokenizer_config.json").write_text(content, "utf-8")

    with pytest.raises(CheckpointError, match="no readable chat template"):
        chat_template.load_chat_template(tmp_path)


def write_config(directory: Path, **values: object) -> None:
    """Write a checkpoint's tokenizer configuration."""
    (directory / "tokenizer_config.json").write_text(json.dumps(values), "utf-8")


def render_loaded(directory: Path) -> str:
    """Return how the template of a checkpoint renders one question."""
    found = chat_template.load_chat_template(directory)
    assert found is not None
    pieces = found((Message(Speaker.USER, "?"),), "")
    return "".join(p if isinstance(p, str) else f"[{p.text}]" for p in pieces)
