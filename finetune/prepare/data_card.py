"""Data card: describes prepared data in Markdown. Pure; the same input gives the same card."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from finetune.dialogue_files import SPLITS
from finetune.prepare.report import PERCENTILES, PreparationReport, list_percentiles


@dataclass(frozen=True, slots=True)
class PreparationOptions:
    """Options of a preparation that its data depend on."""

    max_tokens: int
    validation_share: float
    min_similarity: float
    retention_days: int
    phrase_list: str


def render_data_card(report: PreparationReport, options: PreparationOptions) -> str:
    """Return the data card."""
    sections = [
        "# Data card",
        f"{report.dialogue_count:,} dialogues in StarChat's format, prepared for fine-tuning.",
        "The assistant's turns alone are learned; of a reply with votes, that reply alone.",
        "## Sources",
        _render_table(
            ("File", "Lines", "SHA-256"),
            [(_escape_cell(one.name), f"{one.lines:,}", one.sha256) for one in report.files],
        ),
        _render_counts("Form", report.read),
        _describe_terms(report),
        "## Left out and changed",
        _render_counts("Reason", report.left_out),
        f"{report.shortened:,} dialogues were shortened to {options.max_tokens:,} tokens.",
        _describe_secrets(report),
        *_render_phrases(report, options),
        "## Splits",
        _render_splits(report),
        "A hash of the thread alone decides about its split.",
        "## Languages",
        _render_counts("Prose", report.languages),
        _render_counts("Code blocks", report.code_languages),
        "## Options",
        _render_table(("Option", "Value"), [(k, str(v)) for k, v in asdict(options).items()]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _describe_terms(report: PreparationReport) -> str:
    if not report.read["votes"]:
        return "The licences of these files are not known to the preparation: check them."
    return (
        "Votes carry texts only of workspaces that consented (`STARCHAT_VOTES_WITH_TEXT`). "
        "User ids and names of voters are not part of the data. Delete these data by "
        f"**{report.delete_after}**, or prepare them again from a new export, "
        "and do so after each deletion in Slack that must have an effect here."
    )


def _describe_secrets(report: PreparationReport) -> str:
    return (
        f"{report.secrets:,} secrets in {report.dialogues_with_secrets:,} dialogues were masked. "
        "The detector does not find all: read the data before you pass them on."
    )


def _render_phrases(report: PreparationReport, options: PreparationOptions) -> list[str]:
    if not options.phrase_list:
        return ["No phrase list was applied."]
    counts = _render_counts("Phrase", report.phrases)
    return [f"Phrases of {_escape_cell(options.phrase_list)} in learned answers:", counts]


def _render_splits(report: PreparationReport) -> str:
    heads = ("Split", "Dialogues", "Threads", "Answers", "Tokens", "Learned tokens")
    rows = []
    for split in SPLITS:
        figures = report.splits[split]
        numbers = (
            *(len(figures.tokens), len(figures.threads), figures.answers, sum(figures.tokens)),
            *(figures.learned_tokens, *list_percentiles(figures.tokens)),
        )
        rows.append((split, *(f"{number:,}" for number in numbers)))
    return _render_table((*heads, *PERCENTILES), rows)


def _render_counts(head: str, counts: Counter[str]) -> str:
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return _render_table((head, "Count"), [(_escape_cell(k), f"{v:,}") for k, v in rows])


def _render_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = list(rows)
    lines = [heads, ["---"] * len(heads), *body] if body else []
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape_cell(text: str) -> str:
    """Return a text that cannot end its table cell or start any markup."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#|!" else c for c in " ".join(text.split()))
