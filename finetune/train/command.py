"""Command `python -m finetune train`: trains on prepared dialogues, and keeps the best model."""

import argparse
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args

import torch
from pydantic import ValidationError
from transformers import Trainer, set_seed

from finetune.console import is_main_process, tell_operator
from finetune.dialogue_files import (
    DialogueRecord,
    Manifest,
    hash_tokenizer,
    read_manifest,
    read_records,
)
from finetune.errors import FinetuneError
from finetune.options import OptionParser
from finetune.prepare.encoding import DialogueEncoder
from finetune.train.checks import check_amount, check_data, check_vocabulary
from finetune.train.dialogue_batches import DialogueDataset, collate_batch
from finetune.train.loss_history import find_best, list_evaluations, render_table
from finetune.train.memory import check_memory, count_shards, estimate_memory
from finetune.train.network import check_method, create_empty_network, load_network, read_config
from finetune.train.recipe import BatchPlan, Method, Recipe, list_evaluation_steps
from finetune.train.run_directory import (
    BEST_NAME,
    RESULT_NAME,
    copy_tokenizer,
    find_checkpoint,
    open_run,
    write_json,
)
from finetune.train.trainer import build_arguments, list_callbacks


class TrainingData(NamedTuple):
    """Prepared dialogues of both splits."""

    manifest: Manifest
    train: list[DialogueRecord]
    validation: list[DialogueRecord]


class Run(NamedTuple):
    """A training that passed all checks."""

    model: Path
    output: Path
    recipe: Recipe
    plan: BatchPlan
    data: TrainingData
    config: Any


def run_train(arguments: Sequence[str]) -> None:
    """Train, or continue a training that was killed. Raises `FinetuneError` and `SystemExit`."""
    parsed = _parse_train_options(arguments)
    run = _check_run(parsed)
    if is_main_process():
        open_run(run.output, _list_options(run, parsed.data))
    trainer = _build_trainer(run)
    checkpoint = find_checkpoint(run.output, run.plan.processes)
    if checkpoint is not None:
        tell_operator(f"continues from {checkpoint}")
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    _save_result(trainer, run, parsed.data)


def _check_run(parsed: argparse.Namespace) -> Run:
    """Check everything that can fail before the weights are loaded. Raises `FinetuneError`."""
    recipe = _read_recipe(vars(parsed))
    check_method(recipe)
    plan = BatchPlan.from_recipe(recipe, int(os.environ.get("WORLD_SIZE", "1")))
    manifest = read_manifest(parsed.data)
    data = TrainingData(
        manifest,
        list(read_records(parsed.data, "train")),
        list(read_records(parsed.data, "validation")),
    )
    check_data(*data, datetime.now(UTC).date())
    check_amount(data.train, data.validation, recipe.total_batch)
    DialogueEncoder(parsed.model, manifest.max_tokens)
    if hash_tokenizer(parsed.model) != manifest.tokenizer_sha256:
        raise FinetuneError(f"the data were prepared with another tokenizer than {parsed.model}'s")
    config = read_config(parsed.model)
    check_vocabulary(
        [*data.train, *data.validation],
        config.vocab_size,
        config.max_position_embeddings,
        str(parsed.model),
    )
    tell_operator(plan.describe_batch())
    _check_memory(config, recipe, plan, data)
    # Absolute, because an adapter names its base by it.
    return Run(parsed.model.absolute(), parsed.output, recipe, plan, data, config)


def _read_recipe(options: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(
            {name: value for name, value in options.items() if name in Recipe.model_fields}
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise FinetuneError(f"--{option}: {first['msg']}") from error


def _check_memory(config: Any, recipe: Recipe, plan: BatchPlan, data: TrainingData) -> None:
    longest = max(len(record.ids) for record in (*data.train, *data.validation))
    shards = count_shards(plan.processes)
    empty = create_empty_network(config, recipe)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    tell_operator(check_memory(estimate_memory(empty, recipe, plan, longest, shards), device))


def _build_trainer(run: Run) -> Trainer:
    steps = list_evaluation_steps(run.plan.count_steps(len(run.data.train)), run.recipe.epochs)
    # First: FSDP and ZeRO-3 load weights in parts only after the processes know of each other.
    training_arguments = build_arguments(run.recipe, run.plan, run.output)
    # An adapter starts with random numbers.
    set_seed(run.recipe.seed)
    return Trainer(
        model=load_network(run.model, run.config, run.recipe),
        args=training_arguments,
        data_collator=collate_batch,
        train_dataset=DialogueDataset(run.data.train),
        eval_dataset=DialogueDataset(run.data.validation),
        callbacks=list_callbacks(run.recipe, steps),
    )


def _save_result(trainer: Trainer, run: Run, data: Path) -> None:
    """Save the best model, which the Trainer has loaded, then tell the losses."""
    best_directory = run.output / BEST_NAME
    trainer.save_model(str(best_directory))
    if not is_main_process():
        return
    copy_tokenizer(run.model, best_directory)
    evaluations = list_evaluations(trainer.state.log_history)
    best = find_best(evaluations)
    result = {
        **_list_options(run, data),
        "best": best.model_dump(),
        "evaluations": [one.model_dump() for one in evaluations],
    }
    write_json(run.output / RESULT_NAME, result)
    tell_operator(f"losses\n{render_table(evaluations)}")
    tell_operator(
        f"{best_directory} has the model of step {best.step}, with the lowest validation loss"
    )


def _list_options(run: Run, data: Path) -> dict[str, Any]:
    """Return what makes a training: a continued one must have the same."""
    return {
        "model": str(run.model),
        "data": str(data.absolute()),
        "manifest": run.data.manifest.model_dump(mode="json"),
        "processes": run.plan.processes,
        "batch": run.plan.describe_batch(),
        **run.recipe.model_dump(),
    }


def _parse_train_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser(
        "train",
        "Fine-tune a model by StarChat's recipe, whose numbers are the defaults. The same command "
        "continues a training that was stopped.",
    )
    card = Recipe()
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="directory that `finetune prepare` wrote")
    add("--model", type=Path, required=True, help="directory of the model to start from")
    add("--output", type=Path, required=True, help="directory of the training")
    add("--method", choices=get_args(Method), default=card.method, help="weights that are trained")
    add("--dtype", choices=("bfloat16", "float32"), default=card.dtype, help="number format")
    for name, description in (
        ("learning_rate", "learning rate after the warm-up"),
        ("epochs", "number of passes over the data"),
        ("total_batch", "number of dialogues in a step, on all devices"),
        ("device_batch", "maximum number of dialogues that a device holds at once"),
        ("seed", "seed of the order and of dropout"),
        (
            "early_stop",
            "number of evaluations without a lower loss that ends the training; 0: never",
        ),
        ("lora_rank", "rank of the adapter"),
        ("lora_alpha", "scale of the adapter, which its rank divides"),
        ("lora_dropout", "dropout in the adapter"),
    ):
        default = getattr(card, name)
        option = f"--{name.replace('_', '-')}"
        add(option, type=type(default), default=default, metavar="N", help=description)
    return parser.parse_args(arguments)
