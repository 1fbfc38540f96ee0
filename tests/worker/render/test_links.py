"""Links: an address from the conversation is a link, any other is shown as code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testing.slack_parser import context_texts, find_elements, find_problems, model_text
from tests.worker.render.hostile_markdown import LINKS
from worker.render import Message, ReplyFacts, compose_final, texts

URL = "https://docs.example.org/a_(b)?c=d#e"


def compose_reply(written: str, *known: str) -> Message:
    """Return the one message of a reply in a conversation with the texts `known`."""
    (message,) = compose_final(written, facts=ReplyFacts("m", "stop", 256, known))
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    "written",
    [URL, f"see {URL}.", f"<{URL}>", f"[the docs]({URL})", f"({URL})", f"- {URL}", f"**{URL}**"],
)
@pytest.mark.parametrize("known", [f"read {URL}, please", f"({URL})", f"<{URL}>!", f"{URL}/"])
def test_known_address_is_a_link_that_shows_itself(written: str, known: str) -> None:
    """The link element has exactly the address as its text."""
    message = compose_reply(written, known)

    (link,) = find_elements([message], "link")
    assert (link["url"], link["text"]) == (URL, URL)
    assert str(texts.UNVERIFIED_ADDRESSES) not in context_texts(message)
    assert find_problems(message) == []


@pytest.mark.parametrize(
    "written",
    [
        f"{URL}&more=secret", URL.removesuffix("#e"), URL.replace("docs", "d0cs"),
        URL + "\u200bx", URL.replace("https", "http"), URL.upper(),
    ],
)  # fmt: skip
def test_similar_address_is_no_link(written: str) -> None:
    """One character more or less may lead elsewhere."""
    message = compose_reply(written, f"read {URL}")

    assert find_elements([message], "link") == []
    assert str(texts.UNVERIFIED_ADDRESSES) in context_texts(message)


def test_address_as_label_links_to_itself() -> None:
    """A link's label cannot lead anywhere else than it says."""
    message = compose_reply(f"[{URL}](https://evil.example/)", f"read {URL}")

    assert [link["url"] for link in find_elements([message], "link")] == [URL]
    assert model_text([message]) == f"{URL} (https://evil.example/)"


@pytest.mark.parametrize(
    "known", ["slack://user?team=T1", "javascript:alert(1)", "www.evil.example", "evil.com/x"]
)
def test_only_web_addresses_are_links(known: str) -> None:
    """Other schemes open programs; a bare host is no full address."""
    assert find_elements([compose_reply(known, known)], "link") == []


def test_very_long_address_is_no_link() -> None:
    """The length of a link is bounded."""
    long = "https://a.example/" + "x" * 2_000

    assert find_elements([compose_reply(long, long)], "link") == []


@pytest.mark.parametrize(
    "link", [link for link in LINKS if link not in {"file.py", "[a]()", "http://[::1]/"}]
)
def test_invented_address_is_code_with_a_notice(link: str) -> None:
    """All of the address is shown in code style, with a notice below."""
    message = compose_reply(f"Look at {link} now")

    if link not in {"ada@evil.com", "//a.com"}:
        assert any(e.get("style") == {"code": True} for e in find_elements([message], "text"))
        assert str(texts.UNVERIFIED_ADDRESSES) in context_texts(message)
    assert find_elements([message], "link") == []


@pytest.mark.parametrize(
    "written",
    ["file.py", "numpy.random", "e.g. this", "Node.js", "a::b", "`https://a.b`", "ada@a.com"],
)
def test_file_names_are_no_addresses(written: str) -> None:
    """File names, modules and code are left as they are."""
    assert str(texts.UNVERIFIED_ADDRESSES) not in context_texts(compose_reply(written))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[docs](https://a.example 'Title')", 'docs (https://a.example "Title")'),
        ("![chart](https://a.example/x.png)", "chart (https://a.example/x.png)"),
        ("![](https://a.example/x.png)", "(https://a.example/x.png)"),
        ("[**b** c](x.md)", "b c (x.md)"),
        ("[![a](b)](c)", "a (b) (c)"),
        ("<mailto:ada@a.example>", "mailto:ada@a.example"),
        ("<ada@a.example>", "ada@a.example"),
        ("https://a.example/x), and", "https://a.example/x), and"),
    ],
)
def test_label_address_and_title_are_shown(written: str, shown: str) -> None:
    """A link hides no text."""
    assert model_text([compose_reply(written)]) == shown


@given(st.text(alphabet="htps:/.comw-a ()[]", max_size=40), st.text(max_size=10))
def test_splitting_at_addresses_loses_nothing(host: str, tail: str) -> None:
    """The text after an address is still there."""
    written = f"x https://a.example/{host} {tail.strip()}".replace("[", "(").replace("]", ")")
    plain = "".join(sign for sign in written if sign.isalnum() or sign in "():/. ")

    assert "".join(model_text([compose_reply(plain)]).split()) == "".join(plain.split())


@pytest.mark.parametrize("mask", ["<secret:aws-key:1>", "<secret:url-password:12>"])
def test_mask_of_a_secret_is_no_address(mask: str) -> None:
    """In Markdown, it has the form of one."""
    message = compose_reply(f"It was {mask}, see <evil:x:1>.")

    assert model_text([message]) == f"It was {mask}, see evil:x:1."
    plain = compose_reply(f"It was {mask}.")
    assert str(texts.UNVERIFIED_ADDRESSES) not in context_texts(plain)
