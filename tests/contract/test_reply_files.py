"""Files of a reply: what its first message names, and what it does not."""

import pytest

from contract.reply_files import FILES_FIELD, join_file_ids, parse_file_ids
from contract.surplus import MAX_SURPLUS

pytestmark = pytest.mark.unit


def test_named_files_are_read_again() -> None:
    """Each once; a field that is empty, as after a failed share, names none."""
    field = join_file_ids(["F2", "", "F1", "F2", "F 3", "F4\n", "x" * 65])
    assert field == "F2 F1"
    assert parse_file_ids({FILES_FIELD: field}) == frozenset({"F1", "F2"})
    assert parse_file_ids({FILES_FIELD: join_file_ids([])}) == frozenset()


@pytest.mark.parametrize("payload", [{}, {FILES_FIELD: None}, {FILES_FIELD: ["F1"]}])
def test_reply_that_names_no_files_differs_from_one_without(payload: dict[str, object]) -> None:
    """Where its files are tells its place in the thread."""
    assert parse_file_ids(payload) is None


def test_named_files_are_bounded() -> None:
    """A reply has far fewer."""
    many = [f"F{number}" for number in range(2 * MAX_SURPLUS)]
    assert len(join_file_ids(many).split()) == MAX_SURPLUS
    assert len(parse_file_ids({FILES_FIELD: " ".join(many)}) or ()) == MAX_SURPLUS
    assert parse_file_ids({FILES_FIELD: "F1 <!channel> \u0661"}) == frozenset({"F1"})
