"""Diffs of current code by the program that people apply them with."""

import subprocess
from pathlib import Path

import pytest

from tests.bot.current_code.threads import assemble_file, post, read_text, reply

CODE = "import os\n\n\ndef first(a):\n    return a\n\n\ndef second(b):\n    return b\n"


@pytest.mark.parametrize(
    ("name", "posted"),
    [
        ("my app.py", CODE),
        ("app.py", CODE.removesuffix("\n")),
        ("app.py", CODE.replace("\n", "\r\n")),
        ("app.py", CODE.replace("    ", "\t")),
    ],
)
def test_patch_applies(tmp_path: Path, name: str, posted: str) -> None:
    """`patch -p0` makes what a person posted into what was assembled."""
    later = "import sys\n\n\ndef second(b):\n    return sys.argv, b\n\n\ndef third(): pass\n"
    file = assemble_file(post(1, **{name: posted}), reply(1, later))
    assert file.diff is not None
    (tmp_path / name).write_bytes(posted.encode())
    subprocess.run(
        ["patch", "-p0", "--fuzz=0"], input=file.diff.text.encode(), cwd=tmp_path, check=True
    )

    assert (tmp_path / name).read_bytes() == read_text(file).encode()
    assert not list(tmp_path.glob("*.orig"))
