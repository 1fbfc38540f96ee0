"""Pagination: split between lines, nothing lost, no message too long."""

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.code_languages import find_language
from worker.render.model import ELEMENT_WEIGHT, CodeBlock, Piece, Prose, ProseKind, Span, Style
from worker.render.paginate import paginate_pieces

LINES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), max_size=40)
CODE = LINES.map(lambda lines: CodeBlock("\n".join(lines), find_language("python")))
SPANS = st.lists(
    st.builds(Span, st.text(min_size=1, max_size=300), st.sampled_from([Style.BOLD, Style.PLAIN])),
    min_size=1,
    max_size=12,
)
PROSE = st.builds(Prose, SPANS.map(tuple), st.sampled_from(list(ProseKind)), number=st.just(1))
PIECES = st.lists(st.one_of(CODE, PROSE), max_size=12)


def join_text(pieces: list[Piece]) -> str:
    """Return all text, with the line ends between the halves of code."""
    return "".join(piece.text for piece in pieces).replace("\n", "")


@given(PIECES, st.integers(500, 3_000), st.booleans())
@settings(max_examples=100)
def test_messages_are_complete_and_within_limit(
    pieces: list[Piece],
    room: int,
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    """For any limit the text is unchanged."""
    messages = paginate_pieces(pieces, room, keep_whole=whole)

    assert join_text([piece for message in messages for piece in message]) == join_text(pieces)
    for message in messages:
        assert 0 < sum(piece.weight for piece in message) <= room
        for piece in message:
            assert piece.text or piece in pieces


@given(CODE, st.integers(500, 900))
@settings(max_examples=100)
def test_code_is_split_between_lines(code: CodeBlock, room: int) -> None:
    """The halves keep the language and join to the code."""
    parts = [
        piece for message in paginate_pieces([code], room, keep_whole=True) for piece in message
    ]

    assert "\n".join(part.text for part in parts) == code.text
    assert {part.language.name for part in parts if isinstance(part, CodeBlock)} == {"python"}


def test_wide_character_is_not_split() -> None:
    """If half a character would fit, it goes to the next message."""
    first = Span("0" * (500 - 3 * ELEMENT_WEIGHT - 1))
    messages = paginate_pieces([Prose((first, Span("𐀀" * 300)))], 500, keep_whole=False)

    assert len(messages) > 1
    assert all(sum(piece.weight for piece in message) <= 500 for message in messages)


def test_code_is_kept_whole_on_request() -> None:
    """A reader can copy a block that fits one message."""
    words = Prose((Span("w" * 600),))
    code = CodeBlock("\n".join(["x" * 40] * 10))

    together, apart = (
        paginate_pieces([words, code], 1_000, keep_whole=whole) for whole in (True, False)
    )

    assert together == [[words], [code]]
    assert [len(message) for message in apart] == [1, 1] or len(apart[0]) == 2


def test_code_is_split_after_an_empty_line() -> None:
    """Functions stay together if that costs little room."""
    lines = [*["x" * 20] * 20, "", *["y" * 20] * 20]
    (first,), (second,) = paginate_pieces([CodeBlock("\n".join(lines))], 600, keep_whole=False)

    assert first.text.split("\n") == lines[:21]
    assert second.text.split("\n") == lines[21:]


def test_prose_is_split_after_a_word() -> None:
    """The rest of a list item continues as a paragraph."""
    item = Prose((Span("one two three " * 60),), ProseKind.ITEM, 2, 7)
    (first,), (second,) = paginate_pieces([item], 600, keep_whole=True)

    assert isinstance(first, Prose)
    assert isinstance(second, Prose)
    assert first.text.endswith(" ")
    assert (first.kind, first.number, second.kind) == (ProseKind.ITEM, 7, ProseKind.SECTION)


def test_combined_characters_stay_together() -> None:
    """An emoji family, a flag or an accented letter is not split."""
    family = "👩‍👩‍👧"
    messages = paginate_pieces([Prose((Span(family * 200),))], 600, keep_whole=True)

    for message in messages[:-1]:
        assert message[0].text.endswith(family)


def test_link_is_never_split() -> None:
    """Half an address would lead elsewhere."""
    url = "https://a.example/" + "x" * 150
    prose = Prose((Span("w" * 390), Span(url, link=True)))
    messages = paginate_pieces([prose], 600, keep_whole=True)

    assert [piece.text for message in messages for piece in message] == ["w" * 390, url]
