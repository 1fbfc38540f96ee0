"""Summary of the current code: literal words, and every gap."""

from bot.current_code import texts
from bot.current_code.assembly import assemble_code
from bot.current_code.model import CodeTurn, MissingCode, PostedFile
from bot.current_code.summary import (
    Question,
    choose_outputs,
    describe_code,
    describe_request,
    find_requester,
)
from contract.language import Language
from tests.bot.current_code.threads import assemble, fence, post, reply

HALF = "def half(n):\n    return n / 2\n"
QUESTIONS = {f"{n}.0": Question("Ada", f"question {n}") for n in range(1, 20)}


def test_summary_names_files_people_and_differences() -> None:
    """Words of people cannot format, link, show a preview or ping."""
    code = assemble(post(1, src_py=HALF), reply(1, HALF.replace("/", "//"), author="ULIN"))
    asked = Question("*Lin*", "<!channel> `halve`\n & _more_ https://a.example " + "x" * 80)
    outputs = choose_outputs(code, 10)
    shown = str(describe_code(code, outputs, {"1.0": asked}))

    assert [one.name for one in outputs] == ["src.py", "src.py.diff"]
    assert shown.split("\n")[1:] == [
        f"• `src.py`, changed for Lin (“!channel halve more https:a.example {'x' * 23}…”)",
        str(texts.DIFF_LINE.with_values(file="src.py.diff", argument="src.py.diff")),
    ]


def test_summary_names_the_newest_questions() -> None:
    """Earlier ones are counted."""
    code = assemble(*(reply(n, HALF + f"# {n}\n") for n in range(1, 9)))
    shown = str(describe_code(code, choose_outputs(code, 10), QUESTIONS))

    assert "3 earlier changes, Ada (“question 4”)" in shown
    assert shown.endswith("Ada (“question 8”)")


def test_summary_tells_what_is_missing() -> None:
    """Also in Chinese; nothing is called safe."""
    masked = post(1, src_py='K = "<secret:aws-key:1>"\n' + HALF)
    parts = reply(1, "# src.py\n" + HALF + "# v\n", HALF.replace("2", "3"))
    cut = CodeTurn("2.0", "U1", fence("ls\n", "bash") + "```python\ndef x(", is_reply=True)
    many = [reply(n, f"def f{n}(): pass\n") for n in range(3, 6)]
    code = assemble_code([masked, reply(1, HALF.replace("2", "4")), parts, cut, *many])
    outputs = choose_outputs(code, 5)
    missing = MissingCode(num_unread=2, num_lost=1, num_covered=2)
    lines = str(describe_code(code, outputs, QUESTIONS, missing)).split("\n")

    assert [one.name for one in outputs] == ["src.py", "src.part-2.py", "f3.py", "f4.py", "f5.py"]
    assert lines[2:] == [
        str(texts.MASKED_LINE),
        "   It's unclear where 1 block belongs, so it's beside the file: `src.part-2.py`",
        *(f"• `f{n}.py`, changed for Ada (“question {n}”)" for n in range(3, 6)),
        "1 block has no end and is left out.",
        "1 block is left out: it looks like commands, output or an example.",
        "1 file or block is left out: there is too much.",
        "I don't keep the whole text of 2 posted files, so they aren't in here.",
        str(texts.describe_lost(1)),
        "2 replies are covered, so their code isn't in here.",
    ]
    chinese = describe_code(code, outputs, QUESTIONS, missing).translate(Language.CHINESE)
    assert not any(line in chinese for line in lines)


def test_question_without_words_is_its_person() -> None:
    """A file alone may be a question."""
    code = assemble(reply(1, HALF))
    shown = str(describe_code(code, choose_outputs(code, 10), {"1.0": Question("Ada", "")}))
    assert shown.endswith("• `half.py`, changed for Ada")


def test_blocks_beside_a_file_do_not_crowd_it_out() -> None:
    """The newest ones that fit come with the first files; the others are counted."""
    sketch = "def half(n):\n    # ... existing code ...\n    return {}\n"
    posted = post(1, src_py=HALF + "\n\ndef other(): pass\n")
    turns = [reply(n, sketch.format(n)) for n in range(2, 14)]
    code = assemble(posted, reply(1, HALF.replace("/", "//")), *turns, reply(14, "def z(): pass\n"))
    outputs = choose_outputs(code, 10)
    shown = str(describe_code(code, outputs, QUESTIONS))

    parts = [f"src.part-{n}.py" for n in range(6, 13)]
    assert [one.name for one in outputs] == ["src.py", "src.py.diff", *parts, "z.py"]
    assert "where 7 blocks belong, so they're beside the file: `src.part-6.py`" in shown
    assert shown.endswith("5 files or blocks are left out: there is too much.")
    assert [one.name for one in choose_outputs(code, 1)] == ["z.py"]
    only = assemble(reply(1, HALF, HALF.replace("2", "3")))
    assert [one.name for one in choose_outputs(only, 1)] == ["half.part-2.py"]


def test_command_holds_one_argument() -> None:
    """Names of downloads have spaces and parentheses."""
    posted = CodeTurn("1.0", "UADA", "", files=(PostedFile("my file (1).py", HALF),))
    code = assemble(posted, reply(1, HALF.replace("/", "//")))
    outputs = choose_outputs(code, 10)
    for language in Language:
        shown = describe_code(code, outputs, QUESTIONS).translate(language)
        assert "`patch -p0 -i 'my file (1).py.diff'`" in shown


def test_words_name_who_asked() -> None:
    """In each language; questions cannot name another one."""
    code = assemble(reply(1, HALF))
    asked = {"1.0": Question("<@U9>", "<@U8> halve")}
    words = describe_request(describe_code(code, choose_outputs(code, 10), asked), "ULIN")
    assert {find_requester(words.translate(language)) for language in Language} == {"ULIN"}
    assert find_requester("<@ULIN|lin>") == "ULIN"
    assert find_requester("The current code") == ""
