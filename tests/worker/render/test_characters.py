"""Single characters: backslashes, entities, joiners, East Asian punctuation, dots."""

import pytest

from testing.slack_parser import context_texts, find_elements, model_text
from worker.render import Message, ReplyFacts, Snippet, compose_final, texts

FACTS = ReplyFacts("m", "stop", 256)


def compose_reply(written: str) -> Message:
    """Return the one message of a reply."""
    (message,) = compose_final(written, facts=FACTS)
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"C:\proj\_data\.env", r"C:\proj\_data\.env"),
        (r"\.py$ or \d+\.\d*", r"\.py$ or \d+\.\d*"),
        (r"\\server\share\_x", r"\\server\share\_x"),
        (r"\( a \) and \$5", r"\( a \) and \$5"),
        (r"my\_name and \*stars\*", "my_name and *stars*"),
        (r"`a\.b` \# no title", r"a\.b # no title"),
        (r"[a](C:\x\_y)", r"a (C:\x\_y)"),
        ("| a |\n|---|\n| C:\\\\x\\.y |", "a\n────────\nC:\\\\x\\.y"),
        ("&lt;div&gt; &copy; &#8364;", "<div> © €"),
        ("Write & as &amp; and < as &lt;", "Write & as &amp; and < as &lt;"),
        ("The entity &lt; is a sign", "The entity &lt; is a sign"),
        ("`&lt;` stays", "&lt; stays"),
        ("a &lt;!channel&gt; b", "a <!channel> b"),
        ("first\n  second\n\tthird", "first\n  second\n\tthird"),
        ("0. a\n1. b", "0. a1. b"),
    ],
)
def test_characters_mean_what_models_mean(written: str, shown: str) -> None:
    """Paths and patterns keep backslashes; entities are signs unless the text is about them."""
    assert model_text([compose_reply(written)]) == shown


@pytest.mark.parametrize(
    "written", ["含**「重点」**内容", "これは**『強調』**です", "한국어**(강조)**는"]
)
def test_east_asian_punctuation_may_be_emphasized(written: str) -> None:
    """These languages put no space beside a style's marks."""
    message = compose_reply(written)

    assert "*" not in model_text([message])
    assert any(e.get("style") == {"bold": True} for e in find_elements([message], "text"))


@pytest.mark.parametrize(
    "text",
    [
        "👩\u200d💻", "👩🏽\u200d🚀", "🏳\ufe0f\u200d🌈", "می\u200cخواهم",
        "क्\u200dष", "श्री\u200cमान्\u200cजी",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "葛\U000e0100",
    ],
)  # fmt: skip
def test_joiners_with_a_meaning_are_kept(text: str) -> None:
    """In prose, code and files."""
    for written in (text, f"`{text}`", f"```\nx = '{text}'\n```"):
        message = compose_reply(written)
        assert text in model_text([message])
        assert str(texts.INVISIBLE_CHARACTERS) not in context_texts(message)
    *_, file = compose_final(f"```\n{text}\n{'x' * 10_000}\n```", facts=FACTS)
    assert isinstance(file, Snippet)
    assert text in file.content


@pytest.mark.parametrize(
    "text", ["a\u200db", "a\u200cb", "\u200d👩", "a\U000e0067\U000e007f", "م\u200b"]
)
def test_joiners_without_a_meaning_are_shown(text: str) -> None:
    """Between Latin letters they only hide."""
    message = compose_reply(f"```\n{text}\n```")

    assert "⟨U+" in model_text([message])
    assert str(texts.INVISIBLE_CHARACTERS) in context_texts(message)


@pytest.mark.parametrize(
    "written",
    ["logging.info", "ASP.NET", "self.app", "System.IO", "java.io", "user.me.name", "file:12",
     "os.name", "model.store(x)", "app.site: x", "json.org(", "http://localhost:8000/x", "data:x"],
)  # fmt: skip
def test_names_with_dots_are_no_addresses(written: str) -> None:
    """A false alarm teaches readers to ignore the real one."""
    assert str(texts.UNVERIFIED_ADDRESSES) not in context_texts(
        compose_reply(f"Use {written} here")
    )


@pytest.mark.parametrize(
    "written", ["evil.com", "evil.io/x", "evil.dev:80", "www.evil.io", "https://evil.ai", "a.org"]
)
def test_addresses_are_still_found(written: str) -> None:
    """A host with a common ending, a path, a port or a scheme is an address."""
    assert str(texts.UNVERIFIED_ADDRESSES) in context_texts(compose_reply(f"Use {written} here"))
