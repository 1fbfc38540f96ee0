"""Decoding of Web API arguments from forms and JSON."""

import pytest

from fakeslack.errors import SlackError
from fakeslack.web_api.arguments import Arguments


def test_forms_and_json_decode_to_the_same_values() -> None:
    """A form sends text, JSON sends values."""
    form = Arguments({"n": "2", "yes": "1", "no": "false", "list": "[1]", "empty": ""})
    body = Arguments({"n": 2, "yes": True, "no": False, "list": [1], "nothing": None})
    for given in (form, body):
        assert given.get_number("n", 5) == 2
        assert given.get_flag("yes")
        assert not given.get_flag("no", default=True)
        assert given.get_list("list") == [1]
    assert form.get_object("empty") == {}
    assert body.get_text("list") == "[1]"
    assert body.get_flag("nothing", default=True)
    assert not form.has_value("empty")
    assert not body.has_value("nothing")


@pytest.mark.parametrize(
    ("getter", "value"),
    [("get_number", "a"), ("get_list", "{}"), ("get_object", "[]"), ("get_object", "{")],
)
def test_an_argument_of_another_type_is_refused(getter: str, value: str) -> None:
    """Numbers, lists and objects are checked."""
    asked = {"get_number": (0,), "get_list": (), "get_object": ()}[getter]
    with pytest.raises(SlackError, match="invalid_arguments"):
        getattr(Arguments({"x": value}), getter)("x", *asked)
