"""The Trainer of transformers with the recipe, evaluations each half epoch, and a plot."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import torch
from transformers import (
    EarlyStoppingCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from finetune.train.loss_history import PLOT_NAME, draw_losses
from finetune.train.recipe import BatchPlan, Recipe

NEVER: Final = 10**9
"""An interval of steps that no training reaches: `ScheduleEvaluations` decides instead."""
CHECKPOINTS_ON_DISK: Final = 2
"""The best one and the last one."""


class ScheduleEvaluations(TrainerCallback):  # type: ignore[misc]
    """Evaluates and saves after these steps."""

    def __init__(self, steps: Collection[int]) -> None:
        """Take the steps of `list_evaluation_steps`."""
        self._steps = frozenset(steps)

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the Trainer passes it
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        """Ask for an evaluation and a checkpoint."""
        if state.global_step in self._steps:
            control.should_evaluate = control.should_save = True


class PlotLosses(TrainerCallback):  # type: ignore[misc]
    """Draws the plot after each evaluation."""

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002 - the Trainer passes it
        **_: Any,
    ) -> None:
        """Draw the losses so far, in one process."""
        if state.is_world_process_zero:
            draw_losses(state.log_history, Path(args.output_dir) / PLOT_NAME)


def build_arguments(recipe: Recipe, plan: BatchPlan, output: Path) -> TrainingArguments:
    """Return the recipe in the Trainer's words."""
    return TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=plan.device_batch,
        per_device_eval_batch_size=plan.device_batch,
        gradient_accumulation_steps=plan.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup_share,
        num_train_epochs=recipe.epochs,
        optim="adamw_torch",
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        adam_epsilon=recipe.adam_epsilon,
        seed=recipe.seed,
        bf16=recipe.dtype == "bfloat16",
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=True,
        activation_checkpointing_kwargs={"use_reentrant": False},
        logging_steps=1,
        eval_strategy="steps",
        eval_steps=NEVER,
        save_strategy="steps",
        save_steps=NEVER,
        save_total_limit=CHECKPOINTS_ON_DISK,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        restore_callback_states_from_checkpoint=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
    )


def list_callbacks(recipe: Recipe, steps: Collection[int]) -> list[TrainerCallback]:
    """Return the callbacks of a training."""
    callbacks = [ScheduleEvaluations(steps), PlotLosses()]
    if recipe.early_stop:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=recipe.early_stop))
    return callbacks
