"""Directory of a training: its options, checkpoints to resume from, and the result."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from finetune.errors import FinetuneError

OPTIONS_NAME: Final = "run.json"
RESULT_NAME: Final = "training.json"
BEST_NAME: Final = "best"
STATE_NAME: Final = "trainer_state.json"
TOKENIZER_FILES: Final = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    "chat_template.jinja",
)


def open_run(directory: Path, options: Mapping[str, Any]) -> None:
    """
    Create the directory of a run, or continue one with the same options.

    Raises `FinetuneError` if the run has ended, had other options, or the directory has other use.
    """
    file = directory / OPTIONS_NAME
    if (directory / RESULT_NAME).exists():
        raise FinetuneError(f"the training in {directory} has ended: see {RESULT_NAME}")
    if not file.exists():
        if directory.exists() and any(directory.iterdir()):
            raise FinetuneError(f"{directory} is not empty, and holds no training to continue")
        directory.mkdir(parents=True, exist_ok=True)
        write_json(file, options)
        return
    try:
        earlier = json.loads(file.read_bytes())
        changed = [name for name in options if earlier.get(name) != options[name]]
    except (ValueError, AttributeError) as error:
        raise FinetuneError(f"{file} cannot be read: {error}") from error
    if changed:
        raise FinetuneError(
            f"the training in {directory} was started with another {', '.join(changed)}"
        )


def find_checkpoint(directory: Path, processes: int) -> Path | None:
    """Return the last checkpoint that was written whole, because a kill may cut one short."""
    found = [path for path in directory.glob("checkpoint-*") if path.name[11:].isdigit()]
    found.sort(key=lambda path: int(path.name[11:]), reverse=True)
    return next((path for path in found if _is_whole(path, processes)), None)


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy a checkpoint's tokenizer beside a model."""
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Write a file that is either whole or missing."""
    draft = file.with_suffix(".draft")
    draft.write_text(f"{json.dumps(data, indent=1)}\n", "utf-8")
    draft.replace(file)


def _is_whole(checkpoint: Path, processes: int) -> bool:
    """Whether the Trainer's last file is there, and the random numbers of all processes are."""
    names = (
        ["rng_state.pth"] if processes == 1 else [f"rng_state_{n}.pth" for n in range(processes)]
    )
    try:
        json.loads((checkpoint / STATE_NAME).read_bytes())
    except (OSError, ValueError):
        return False
    return all((checkpoint / name).is_file() for name in names)
