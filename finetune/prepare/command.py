"""Command `python -m finetune prepare`: writes prepared dialogues and their data card."""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from finetune.console import tell_operator
from finetune.dialogue_files import (
    MANIFEST_NAME,
    SPLITS,
    Manifest,
    hash_tokenizer,
    write_records,
)
from finetune.errors import FinetuneError
from finetune.options import OptionParser, bound_number
from finetune.prepare.data_card import PreparationOptions, render_data_card
from finetune.prepare.deduplication import DEFAULT_MIN_SIMILARITY, DuplicateFinder
from finetune.prepare.encoding import DialogueEncoder
from finetune.prepare.phrases import BOILERPLATE_FILE, PhraseFinder, parse_phrases
from finetune.prepare.pipeline import Preparation
from finetune.prepare.sources import LineParser

DEFAULT_MAX_TOKENS: Final = 2048
DEFAULT_VALIDATION_SHARE: Final = 0.05
DEFAULT_RETENTION_DAYS: Final = 365
"""The default of the bot's setting STARCHAT_VOTES_RETENTION_DAYS."""


def run_prepare(arguments: Sequence[str]) -> None:
    """Prepare the dialogues of all files. Raises `FinetuneError` and `SystemExit`."""
    parsed = _parse_prepare_options(arguments)
    if parsed.output.exists():
        raise FinetuneError(f"{parsed.output} exists already: choose another --output")
    phrases = _read_phrases(parsed.filter_phrases)
    preparation = Preparation(
        LineParser(parsed.retention_days, datetime.now(UTC)),
        PhraseFinder(phrases),
        DuplicateFinder(parsed.min_similarity),
        DialogueEncoder(parsed.model, parsed.max_tokens),
        parsed.validation_share,
    )
    preparation.read_files(parsed.files, tell_operator)
    if not preparation.report.dialogue_count:
        raise FinetuneError("no line holds a dialogue to learn from")
    _write_output(preparation, parsed)
    left_out = preparation.report.left_out.total()
    tell_operator(
        f"{preparation.report.dialogue_count} dialogues in {parsed.output}, {left_out} left out"
    )


def _write_output(preparation: Preparation, parsed: argparse.Namespace) -> None:
    """Write all files to a new directory that only its owner can read, then rename it."""
    options = PreparationOptions(
        max_tokens=parsed.max_tokens,
        validation_share=parsed.validation_share,
        min_similarity=parsed.min_similarity,
        retention_days=parsed.retention_days,
        phrase_list=parsed.filter_phrases.name if parsed.filter_phrases else "",
    )
    manifest = Manifest(
        tokenizer_sha256=hash_tokenizer(parsed.model),
        max_tokens=parsed.max_tokens,
        dialogues={split: len(preparation.records[split]) for split in SPLITS},
        delete_after=preparation.report.delete_after,
    )
    card = render_data_card(preparation.report, options)
    try:
        parsed.output.parent.mkdir(parents=True, exist_ok=True)
        # What people wrote leaves nothing behind on a disk that was full.
        with tempfile.TemporaryDirectory(
            prefix=f".{parsed.output.name}-", dir=parsed.output.parent
        ) as folder:
            draft = Path(folder) / "data"
            draft.mkdir(mode=0o700)
            for split in SPLITS:
                write_records(draft / f"{split}.jsonl", preparation.records[split])
            (draft / "README.md").write_text(card, "utf-8")
            (draft / MANIFEST_NAME).write_text(f"{manifest.model_dump_json(indent=1)}\n", "utf-8")
            draft.rename(parsed.output)
    except OSError as error:
        raise FinetuneError(f"{parsed.output} cannot be written: {error}") from error


def _read_phrases(file: Path | None) -> tuple[str, ...]:
    if file is None:
        return ()
    try:
        return parse_phrases(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FinetuneError(f"{file} cannot be read: {error}") from error


def _parse_prepare_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser(
        "prepare",
        "Write dialogues for the fine-tuning of StarChat. Reads JSON lines: the export of the "
        "votes, {messages: [{role, content}]}, or {text: '### Human: …### Assistant: …'}.",
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="file of JSON lines")
    add("--model", type=Path, required=True, help="directory with the model's tokenizer.json")
    add("--output", type=Path, required=True, help="directory to create")
    add(
        "--max-tokens",
        type=bound_number(int, 16, 8192),
        default=DEFAULT_MAX_TOKENS,
        metavar="N",
        help="maximum tokens of a dialogue; a longer one loses exchanges",
    )
    add(
        "--validation-share",
        type=bound_number(float, 0.0, 0.5),
        default=DEFAULT_VALIDATION_SHARE,
        metavar="SHARE",
        help="share of the threads that is held out",
    )
    add(
        "--min-similarity",
        type=bound_number(float, 0.5, 1.0),
        default=DEFAULT_MIN_SIMILARITY,
        metavar="SHARE",
        help="share of word n-grams from which on dialogues are duplicates",
    )
    add(
        "--retention-days",
        type=bound_number(int, 1, 3650),
        default=DEFAULT_RETENTION_DAYS,
        metavar="DAYS",
        help="days that votes may be kept, as STARCHAT_VOTES_RETENTION_DAYS",
    )
    add(
        "--filter-phrases",
        nargs="?",
        const=BOILERPLATE_FILE,
        type=Path,
        metavar="LIST",
        help="leave out answers with a phrase of this list; without a name, the list of refusals "
        "and self-descriptions in finetune/prepare/boilerplate.txt",
    )
    return parser.parse_args(arguments)
