"""Pieces are dealt out to messages between lines, with nothing lost and no message too full."""

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.render.languages import find_language
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
    """Return all words, with the line ends between the halves of code."""
    return "".join(piece.text for piece in pieces).replace("\n", "")


@given(PIECES, st.integers(500, 3_000), st.booleans())
@settings(max_examples=100)
def test_messages_hold_everything_in_order_and_no_more_than_they_may(
    pieces: list[Piece],
    room: int,
    whole: bool,  # noqa: FBT001 - drawn
) -> None:
    """Whatever the room, the words come out as they went in."""
    messages = paginate_pieces(pieces, room, keep_whole=whole)

    assert join_text([piece for message in messages for piece in message]) == join_text(pieces)
    for message in messages:
        assert 0 < sum(piece.weight for piece in message) <= room
        for piece in message:
            assert piece.text or piece in pieces


@given(CODE, st.integers(500, 900))
@settings(max_examples=100)
def test_code_is_cut_between_lines_and_keeps_its_language(code: CodeBlock, room: int) -> None:
    """Joining the halves by line ends gives the code back byte for byte."""
    parts = [
        piece for message in paginate_pieces([code], room, keep_whole=True) for piece in message
    ]

    assert "\n".join(part.text for part in parts) == code.text
    assert {part.language.name for part in parts if isinstance(part, CodeBlock)} == {"python"}


def test_a_character_that_counts_twice_goes_over_no_edge() -> None:
    """Where room is left for half of one, the span goes to the next message."""
    first = Span("0" * (500 - 3 * ELEMENT_WEIGHT - 1))
    messages = paginate_pieces([Prose((first, Span("𐀀" * 300)))], 500, keep_whole=False)

    assert len(messages) > 1
    assert all(sum(piece.weight for piece in message) <= 500 for message in messages)


def test_code_that_fits_a_message_is_kept_whole_where_that_is_asked_for() -> None:
    """A reader copies a block in one go."""
    words = Prose((Span("w" * 600),))
    code = CodeBlock("\n".join(["x" * 40] * 10))

    together, apart = (
        paginate_pieces([words, code], 1_000, keep_whole=whole) for whole in (True, False)
    )

    assert together == [[words], [code]]
    assert [len(message) for message in apart] == [1, 1] or len(apart[0]) == 2


def test_code_is_cut_after_an_empty_line_near_the_end() -> None:
    """Functions stay together where that costs little room."""
    lines = [*["x" * 20] * 20, "", *["y" * 20] * 20]
    (first,), (second,) = paginate_pieces([CodeBlock("\n".join(lines))], 600, keep_whole=False)

    assert first.text.split("\n") == lines[:21]
    assert second.text.split("\n") == lines[21:]


def test_prose_is_cut_after_a_line_or_a_word_and_an_item_loses_only_its_mark() -> None:
    """The end of an item's words goes on as a paragraph."""
    item = Prose((Span("one two three " * 60),), ProseKind.ITEM, 2, 7)
    (first,), (second,) = paginate_pieces([item], 600, keep_whole=True)

    assert isinstance(first, Prose)
    assert isinstance(second, Prose)
    assert first.text.endswith(" ")
    assert (first.kind, first.number, second.kind) == (ProseKind.ITEM, 7, ProseKind.SECTION)


def test_signs_that_are_drawn_together_stay_together() -> None:
    """A family, a flag or a letter with its accents is not taken apart."""
    family = "👩‍👩‍👧"
    messages = paginate_pieces([Prose((Span(family * 200),))], 600, keep_whole=True)

    for message in messages[:-1]:
        assert message[0].text.endswith(family)


def test_a_link_is_never_cut() -> None:
    """Half an address would lead elsewhere."""
    url = "https://a.example/" + "x" * 150
    prose = Prose((Span("w" * 390), Span(url, link=True)))
    messages = paginate_pieces([prose], 600, keep_whole=True)

    assert [piece.text for message in messages for piece in message] == ["w" * 390, url]
