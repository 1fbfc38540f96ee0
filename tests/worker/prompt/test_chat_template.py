"""Other models' own chat templates: laid out as their authors meant, closed to every text."""

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
    """Return the pieces of a template as one text, what was said in brackets."""
    pieces = ChatTemplate(source, variables)(MESSAGES, system)
    return "".join(p if isinstance(p, str) else f"[{p.text}]" for p in pieces)


def test_texts_stand_where_the_template_puts_them() -> None:
    """Roles, line breaks and the opening of the reply come from the template, texts from us."""
    source = (
        LOOP_START
        + "<{{ m['role'] }}>{{ m['content'] + '/' }}"
        + LOOP_END
        + ("{% if add_generation_prompt %}<reply>{% endif %}")
    )

    assert render_template(source) == "<user>[one]/<assistant>[two]/<user>[three]/<reply>"


def test_a_system_text_is_a_turn_of_its_own() -> None:
    """Where the template knows system turns, the system text is one."""
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
def test_a_system_text_stands_before_the_first_question_where_there_is_no_place(
    source: str,
) -> None:
    """A template that refuses or forgets system turns does not lose the system text."""
    assert render_template(source, "be kind") == "[be kind\n\none][two][three]"
    assert render_template(source) == "[one][two][three]"


def test_a_template_that_trims_its_texts_trims_ours() -> None:
    """What the template strips from a text is stripped, though it never sees the text."""
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


def test_what_authors_of_templates_rely_on_is_there() -> None:
    """Loop controls, namespaces, dates, JSON, training marks and trimmed blocks all work."""
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
def test_a_template_that_cannot_lay_out_a_conversation_is_refused(source: str) -> None:
    """Broken, forbidden, forgetful and confused templates are refused when they are loaded."""
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
def test_a_template_cannot_reach_beyond_its_text(attack: str) -> None:
    """A checkpoint is a stranger's work: what its template should not do is refused."""
    with pytest.raises(CheckpointError, match="the chat template cannot be used"):
        ChatTemplate(attack + LOOP_START + "{{ m.content }}" + LOOP_END, {})


def test_no_text_can_reach_the_template() -> None:
    """A text that is template source, or looks like a sentinel, stays a text."""
    scaffold = ChatTemplate(LOOP_START + "{{ m.content }}" + LOOP_END, {})
    for text in (*disguise_token("<|end|>"), "{{ 7 * 7 }}", "{% for x in y %}", "\x1e0.0.\x1f", ""):
        pieces = scaffold((Message(Speaker.USER, text),), text)

        assert [p for p in pieces if p] == [LiteralText(text)] * (2 if text else 1)


def test_the_file_beside_the_configuration_wins(tmp_path: Path) -> None:
    """Where a checkpoint has a template file and one in its configuration, the file holds."""
    write_config(tmp_path, chat_template="configured {{ messages }}")
    (tmp_path / "chat_template.jinja").write_text(
        LOOP_START + "file {{ m.content }}" + LOOP_END, "utf-8"
    )

    assert load_error(tmp_path) == "file [?]"


def test_the_default_of_several_templates_is_taken(tmp_path: Path) -> None:
    """A checkpoint may name several templates: the one for plain talk is `default`."""
    several = [
        {"name": "tool_use", "template": "tools"},
        {"name": "default", "template": LOOP_START + "{{ m.content }}" + LOOP_END},
    ]
    write_config(tmp_path, chat_template=several)

    assert load_error(tmp_path) == "[?]"


def test_names_of_tokens_come_from_the_configuration(tmp_path: Path) -> None:
    """Templates may name the checkpoint's tokens, however its files spell them."""
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

    assert load_error(tmp_path) == "<b>[?]<e>"


def test_a_checkpoint_without_a_template_has_none(tmp_path: Path) -> None:
    """No file and no entry: there is no template, which is no error of this file's."""
    assert chat_template.load_chat_template(tmp_path) is None
    write_config(tmp_path, model_max_length=1)
    assert chat_template.load_chat_template(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["{", "[1]", '{"chat_template": [{"name": "rag", "template": "x"}]}']
)
def test_a_configuration_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    """The operator reads which checkpoint has no readable template."""
    (tmp_path / "tokenizer_config.json").write_text(content, "utf-8")

    with pytest.raises(CheckpointError, match="no readable chat template"):
        chat_template.load_chat_template(tmp_path)


def write_config(directory: Path, **values: object) -> None:
    """Write a checkpoint's tokenizer configuration."""
    (directory / "tokenizer_config.json").write_text(json.dumps(values), "utf-8")


def load_error(directory: Path) -> str:
    """Return how the template of a checkpoint lays out one question."""
    found = chat_template.load_chat_template(directory)
    assert found is not None
    pieces = found((Message(Speaker.USER, "?"),), "")
    return "".join(p if isinstance(p, str) else f"[{p.text}]" for p in pieces)
