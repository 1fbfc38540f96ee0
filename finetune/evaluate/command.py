"""Command `python -m finetune evaluate`: compares two models before one is served."""

import argparse
import gc
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from finetune.console import tell_operator
from finetune.dialogue_files import (
    DialogueRecord,
    hash_tokenizer,
    read_manifest,
    read_records,
)
from finetune.errors import FinetuneError
from finetune.evaluate.bootstrap import (
    CONFIDENCE,
    MIN_THREADS,
    compare_independent,
    compare_ratios,
)
from finetune.evaluate.checkpoint import (
    find_base,
    generate_replies,
    load_checkpoint,
    measure_losses,
)
from finetune.evaluate.code_checks import check_replies
from finetune.evaluate.metrics import METRICS, DialogueFigures, sum_threads
from finetune.evaluate.plot import draw_intervals
from finetune.evaluate.table import Results, render_markdown, render_text
from finetune.evaluate.votes import (
    APPROVING_VOTES,
    ModelName,
    ThreadSums,
    find_hub_id,
    list_models,
    sum_votes,
)
from finetune.options import OptionParser, bound_number
from finetune.prepare.lines import read_lines
from finetune.train.checks import check_data, check_vocabulary
from finetune.train.network import read_config
from worker.engine import SamplingParams
from worker.engine.loading.checkpoint import display_name
from worker.engine.loading.revision import find_revision

DEFAULT_PROMPTS: Final = 200
TABLE_NAME: Final = "evaluation.md"
PLOT_NAME: Final = "evaluation.svg"
NO_VOTES: Final = np.zeros((0, 2))


def run_evaluate(arguments: Sequence[str]) -> None:
    """Compare two models, print the table and write it. Raises `FinetuneError`, `SystemExit`."""
    parsed = _parse_evaluate_options(arguments)
    if parsed.output.exists():
        raise FinetuneError(f"{parsed.output} exists already: choose another --output")
    votes = None if parsed.votes is None else _read_votes(parsed.votes)
    records = _read_held_out(parsed.data)
    for directory in (parsed.a, parsed.b):
        _check_checkpoint(directory, records, parsed)
    first = _measure_checkpoint(parsed.a, "A", records, parsed)
    second = _measure_checkpoint(parsed.b, "B", records, parsed)
    results = [
        (
            metric,
            compare_ratios(sum_threads(metric, first), sum_threads(metric, second), parsed.seed),
        )
        for metric in METRICS
    ]
    if votes is not None:
        a, b = (_find_votes(votes, one) for one in (parsed.a, parsed.b))
        results.append((APPROVING_VOTES, compare_independent(a, b, parsed.seed)))
    # First, because a full disk must not lose what took hours.
    print(render_text(results), flush=True)
    _write_results(results, parsed, len(records))


def _read_held_out(data: Path) -> list[DialogueRecord]:
    """Return the held-out dialogues by the hash of their thread, which is as good as chance."""
    manifest = read_manifest(data)
    train, held_out = list(read_records(data, "train")), list(read_records(data, "validation"))
    check_data(manifest, train, held_out, datetime.now(UTC).date())
    if not held_out:
        raise FinetuneError(
            f"{data} holds out no dialogues: prepare with a larger --validation-share"
        )
    threads = len({record.thread for record in held_out})
    if threads < MIN_THREADS:
        raise FinetuneError(
            f"{threads} held-out threads are too few to compare by ({MIN_THREADS} at least): "
            "prepare with a larger --validation-share"
        )
    return sorted(held_out, key=lambda record: (record.thread, record.ids))


def _read_votes(file: Path) -> ThreadSums:
    return sum_votes(line for _, line in read_lines(file, hashlib.sha256()))


def _find_votes(votes: ThreadSums, directory: Path) -> NDArray[np.float64]:
    """Return the votes on replies of a model; a hub id names it if it was served by that."""
    revision = find_revision(None, directory) or ""
    names = (find_hub_id(directory.resolve()), display_name(str(directory), directory))
    for name in filter(None, names):
        found = votes.get(ModelName(name, revision))
        if found is not None:
            return found
    served = f"{names[0] or names[1]} at revision {revision}"
    tell_operator(f"no votes on replies of {served}. Models of the export: {list_models(votes)}")
    return NO_VOTES


def _check_checkpoint(
    directory: Path, records: Sequence[DialogueRecord], parsed: argparse.Namespace
) -> None:
    """Check what can fail before any weights are loaded. Raises `FinetuneError`."""
    base = find_base(directory)
    if hash_tokenizer(base) != read_manifest(parsed.data).tokenizer_sha256:
        raise FinetuneError(f"the data were prepared with another tokenizer than {directory}'s")
    config = read_config(base)
    check_vocabulary(records, config.vocab_size, config.max_position_embeddings, str(directory))
    if _count_positions(records, parsed) > config.max_position_embeddings:
        raise FinetuneError(
            f"{directory} reads {config.max_position_embeddings} tokens, too few for the longest "
            f"dialogue and {parsed.max_new_tokens} more: choose a smaller --max-new-tokens"
        )


def _measure_checkpoint(
    directory: Path, name: str, records: Sequence[DialogueRecord], parsed: argparse.Namespace
) -> list[DialogueFigures]:
    """Return the figures of one model; only one is in memory at a time."""
    tell_operator(f"{name}: loads {directory}")
    checkpoint = load_checkpoint(directory, name, _count_positions(records, parsed))
    losses = measure_losses(checkpoint, records, tell_operator)
    # A prompt is all before the last learned reply: the ids that the worker would encode.
    prompts = [record.ids[: record.learned[-1][0]] for record in records[: parsed.prompts]]
    sampling = SamplingParams(parsed.max_new_tokens, parsed.temperature, seed=parsed.seed)
    generated = generate_replies(checkpoint, prompts, sampling, tell_operator)
    del checkpoint
    gc.collect()
    torch.cuda.empty_cache()
    replies = [*check_replies(generated), *[None] * (len(records) - len(generated))]
    return [
        DialogueFigures(record.thread, *loss, record.provenance.approvals > 0, reply)
        for record, loss, reply in zip(records, losses, replies, strict=True)
    ]


def _count_positions(records: Sequence[DialogueRecord], parsed: argparse.Namespace) -> int:
    longest: int = max(len(record.ids) for record in records) + parsed.max_new_tokens
    return longest


def _write_results(results: Results, parsed: argparse.Namespace, dialogues: int) -> None:
    prompts = min(parsed.prompts, dialogues)
    text = (
        f"# Evaluation\n\n- A: `{parsed.a}`\n- B: `{parsed.b}`\n- {dialogues} held-out dialogues "
        f"of `{parsed.data}`; replies to {prompts} of them, with at most {parsed.max_new_tokens} "
        f"tokens, temperature {parsed.temperature:g}, seed {parsed.seed}\n\n"
        f"{render_markdown(results)}\n\n"
        f"B − A is the {CONFIDENCE:.0%} interval of a paired bootstrap over threads. Nothing that "
        f"the models wrote was run.\n\n![The intervals of the differences]({PLOT_NAME})\n"
    )
    try:
        parsed.output.mkdir(parents=True)
        (parsed.output / TABLE_NAME).write_text(text, "utf-8")
        draw_intervals(results, parsed.output / PLOT_NAME)
    except OSError as error:
        raise FinetuneError(f"{parsed.output} cannot be written: {error}") from error


def _parse_evaluate_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser(
        "evaluate", "Compare two models on held-out dialogues, with the same prompts and seeds."
    )
    card = SamplingParams()
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="directory that `finetune prepare` wrote")
    add("a", type=Path, metavar="A", help="directory of a model or a LoRA adapter")
    add("b", type=Path, metavar="B", help="directory of another one")
    add("--output", type=Path, required=True, help="directory to create")
    add(
        "--votes",
        type=Path,
        metavar="FILE",
        help="export of the votes, to compare those on replies of A and of B",
    )
    for name, kind, highest, default, description in (
        ("prompts", int, 10**6, DEFAULT_PROMPTS, "maximum number of prompts that are answered"),
        ("max-new-tokens", int, 8192, 512, "maximum tokens of a reply"),
        ("temperature", float, 2, card.temperature, "temperature of the sampling"),
        ("seed", int, 2**31, 42, "seed of the sampling and of the intervals"),
    ):
        lowest = 0 if name in {"temperature", "seed"} else 1
        number = bound_number(kind, lowest, highest)
        add(f"--{name}", type=number, default=default, metavar="N", help=description)
    return parser.parse_args(arguments)
