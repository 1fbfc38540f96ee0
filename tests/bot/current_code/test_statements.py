"""Python in current code: statements, imports, comments and examples find their places."""

import ast

from bot.current_code import texts
from bot.current_code.model import CurrentCode
from bot.current_code.summary import Question, describe_code
from tests.bot.current_code.test_assembly import NEW_HALF, SORT
from tests.bot.current_code.threads import assemble_file, fence, post, read_text, reply


def test_example_behind_a_function_is_left_out() -> None:
    """If the file runs nothing; a file with its own run part shows the block beside it."""
    example = "# app.py\n" + NEW_HALF + "\n\nprint(half(3))\n"
    file = assemble_file(post(1, app_py='"""Doc."""\n' + SORT), reply(1, example))
    assert read_text(file) == '"""Doc."""\n' + SORT.replace("n / 2", "n // 2")
    assert (file.num_examples, file.unclear) == (1, ())
    assert str(texts.describe_examples(1)) in str(
        describe_code(CurrentCode((file,)), file.outputs, {"1.0": Question("Ada", "")})
    )
    runs = assemble_file(post(1, app_py=SORT + "print(sort([]))\n"), reply(1, example))
    assert (runs.num_examples, len(runs.unclear)) == (0, 1)
    twice = assemble_file(post(1, app_py=SORT), reply(1, NEW_HALF + example[9:]))
    assert (twice.num_examples, len(twice.unclear)) == (0, 1)


def test_merged_python_parses() -> None:
    """Imports and new functions find their places."""
    first = '"""Doc."""\nimport os\n\nLIMIT = 1\n\ndef main():\n    work()\n\nmain()\n'
    later = (
        "from __future__ import annotations\nimport sys\nimport os\n\n"
        "def work():\n    return LIMIT\n\n\n@deco\ndef main():\n    work()\n"
    )
    text = read_text(assemble_file(reply(1, "# a.py\n" + first), reply(2, "# a.py\n" + later)))

    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert names == ["work", "main"]
    assert text.startswith(
        '"""Doc."""\nfrom __future__ import annotations\nimport os\nimport sys\n'
    )
    assert text.endswith("@deco\ndef main():\n    work()\n\nmain()\n")
    compile(text, "a.py", "exec")


def test_comments_above_a_function_go_with_it() -> None:
    """New functions stand before the program's own run part, and after a line without an end."""
    first = "import os\n\n# Old.\ndef half(n): pass\n\nif __name__ == '__main__':\n    half(1)\n"
    later = "# New.\ndef half(n): return n\n\ndef third(n): return n\n"
    found = read_text(assemble_file(reply(1, first), reply(2, later)))
    assert found == (
        "import os\n\n# New.\ndef half(n): return n\n\n\ndef third(n): return n\n\n"
        "if __name__ == '__main__':\n    half(1)\n"
    )
    posted = post(1, app_py="def half(n): pass")
    added = assemble_file(posted, reply(1, "# app.py\ndef third(n): pass\n"))
    assert read_text(added) == "def half(n): pass\n\n\ndef third(n): pass\n"
    heading = assemble_file(post(1, fence("# app.py\n" + first, "")), reply(1, later))
    assert read_text(heading) == f"# app.py\n{found}"
