"""Documents agree with the code: settings, scopes, paths, make targets, links."""

import re
from pathlib import Path
from typing import Final

import pytest

import bot.settings
import worker.settings
from contract.settings import describe_expectation
from scripts import generated_docs

REPOSITORY: Final = Path(__file__).parents[2]
DOCUMENTS: Final = sorted(
    str(path.relative_to(REPOSITORY))
    for path in (
        *REPOSITORY.glob("*.md"),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("bench/*.md"),
    )
)
MAKE_TARGETS: Final = set(
    re.findall(r"^([a-z]+):.*## ", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
)
PACKAGES: Final = (
    "bench",
    "bot",
    "chaos",
    "contract",
    "demo",
    "deploy",
    "fakeslack",
    "scripts",
    "testing",
    "tests",
    "worker",
)
"""Directories whose files are named in documents by their path."""
MAX_README_LINES: Final = 120


def read_document(name: str) -> str:
    """Return the text of a document."""
    return (REPOSITORY / name).read_text("utf-8")


def heading_anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", generated_docs.DOCUMENTS)
def test_generated_parts_match_documents(name: str) -> None:
    """`make docs` would change nothing."""
    text = read_document(name)

    assert generated_docs.insert_generated_parts(text, generated_docs.DOCUMENTS[name]) == text, (
        "run `make docs`"
    )


def test_every_setting_is_documented() -> None:
    """Each setting of both processes has a row in docs/settings.md."""
    text = read_document("docs/settings.md")
    for settings in (bot.settings.Settings, worker.settings.Settings):
        for name in settings.model_fields:
            assert f"| `{name.upper()}` |" in text


def test_every_setting_has_description_and_bound() -> None:
    """A setting's row gives its effect in sentences, and its valid values."""
    for settings in (bot.settings.Settings, worker.settings.Settings):
        for name, field in settings.model_fields.items():
            assert (field.description or "").endswith("."), name
            assert describe_expectation(field, ""), name


def test_missing_marker_raises_value_error() -> None:
    """A document without the place for a generated part is an error."""
    with pytest.raises(ValueError, match="scopes"):
        generated_docs.insert_generated_parts(
            "no markers here", {"scopes": generated_docs.render_scopes_table}
        )


def test_secret_settings_show_no_value() -> None:
    """A token has no default in the table."""
    table = generated_docs.render_settings_table(bot.settings.Settings)

    assert "| `SLACK_BOT_TOKEN` | *required* |" in table
    assert "SecretStr" not in table
    assert "**" not in table


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_resolve(name: str) -> None:
    """Each relative link names a file of the repository and a heading in it."""
    text = read_document(name)
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", text):
        path = ((REPOSITORY / name).parent / target) if target else REPOSITORY / name
        assert path.exists(), target
        if anchor:
            assert anchor in heading_anchors(path.read_text("utf-8")), f"{target}#{anchor}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_paths_exist(name: str) -> None:
    """Each path of a package in a code span exists."""
    for span in re.findall(r"`([\w./]+)`", read_document(name)):
        if "/" in span and span.split("/")[0] in PACKAGES:
            assert (REPOSITORY / span).exists(), span


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_existing_make_targets(name: str) -> None:
    """Each `make X` in a document is a target of the Makefile."""
    commands = re.findall(r"(?:^|`)make ([a-z]+)", read_document(name), re.MULTILINE)
    former = {"papers"} if name == "CHANGELOG.md" else set()

    assert set(commands) <= MAKE_TARGETS | former


def test_architecture_paths_exist() -> None:
    """Each package of the table and each step of a reply's life names a file that exists."""
    text = read_document("docs/architecture.md")
    for path in re.findall(r"^\| `(\w+/(?:\w+/)*)` \|", text, re.MULTILINE):
        assert (REPOSITORY / path).is_dir(), path
    process = ""
    for line in re.findall(r"^.* \d+ \w+ .*$", text, re.MULTILINE):
        process = line.split()[0] if not line[0].isspace() else process
        for module in re.findall(r"(?:[a-z_]+/)+[a-z_]+(?= )", line):
            package = REPOSITORY / {"engine": "worker/engine"}.get(process, process)
            assert (package / f"{module}.py").exists(), f"{process}: {module}"


def test_readme_is_short() -> None:
    """A stranger reads the README in about a minute."""
    assert len(read_document("README.md").splitlines()) <= MAX_README_LINES


def test_commands_in_documents_start() -> None:
    """Each `python -m package` in a document names a package with an entry point."""
    for name in DOCUMENTS:
        for module in re.findall(r"python3? -m ([a-z_.]+)", read_document(name)):
            path = REPOSITORY / module.replace(".", "/")
            exists = (path / "__main__.py").exists() or path.with_suffix(".py").exists()
            assert exists or module == "venv", f"{name}: {module}"


def test_documented_options_exist() -> None:
    """Each option of a `python -m package` command is spelled in that package's code."""
    for name in DOCUMENTS:
        for package, arguments in re.findall(r"python3? -m (\w+)([^`\n]*)", read_document(name)):
            if package not in PACKAGES:
                continue
            code = "".join(path.read_text("utf-8") for path in (REPOSITORY / package).rglob("*.py"))
            for option in re.findall(r"--[a-z-]+", arguments):
                assert option == "--help" or f'"{option}"' in code, f"{name}: {package} {option}"
