"""A checkpoint under evaluation: losses and replies by the worker's own loader and engine."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from finetune.dialogue_files import DialogueRecord
from finetune.errors import FinetuneError
from worker.answering.generated_text import GeneratedText, TextBuilder
from worker.engine import DeviceLostError, LoadError, Request, SamplingParams
from worker.engine.attention.backend import BACKEND_NAME
from worker.engine.core.engine_core import EngineCore
from worker.engine.loading.adapter import find_adapter
from worker.engine.loading.loader import LoadedModel, load_model
from worker.engine.protocol import EngineConfig
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import starchat_format
from worker.prompt.tokenizer import Tokenizer

NUM_SLOTS: Final = 8
"""Replies that are generated at the same time."""

Tell = Callable[[str], None]


class Checkpoint(NamedTuple):
    """A loaded model and its tokenizer."""

    name: str
    model: LoadedModel
    encoder: ChatEncoder


class LearnedLoss(NamedTuple):
    """Summed loss of a dialogue's learned tokens, and their number."""

    loss: float
    tokens: int


def find_base(directory: Path) -> Path:
    """Return the directory of a model, or of an adapter's base. Raises `FinetuneError`."""
    if not directory.is_dir():
        raise FinetuneError(f"there is no directory {directory}")
    try:
        adapter = find_adapter(directory)
    except LoadError as error:
        raise FinetuneError(str(error)) from error
    return adapter.base if adapter else directory


def load_checkpoint(directory: Path, name: str, positions: int) -> Checkpoint:
    """Load a model, or an adapter merged into its base. Raises `FinetuneError`."""
    config = EngineConfig(model=str(directory), slots=NUM_SLOTS, max_positions=positions)
    try:
        adapter = find_adapter(directory)
        model = load_model(directory, config, lambda _stage, _fraction: None, adapter)
    except LoadError as error:
        raise FinetuneError(str(error)) from error
    if model.info.max_positions < positions:
        raise FinetuneError(
            f"{directory} has room for {model.info.max_positions} tokens, and the longest dialogue "
            f"needs {positions}: choose a smaller --max-new-tokens"
        )
    tokenizer = Tokenizer.from_checkpoint(model.info.directory)
    return Checkpoint(name, model, ChatEncoder(tokenizer, starchat_format, model.info.eos_ids))


def measure_losses(
    checkpoint: Checkpoint, records: Sequence[DialogueRecord], tell: Tell
) -> list[LearnedLoss]:
    """Return the losses of dialogues, one after another, so that none depends on the others."""
    network: Any = checkpoint.model.network
    network.set_attn_implementation("sdpa")
    losses = []
    try:
        with torch.inference_mode():
            for done, record in enumerate(records):
                _tell_tenth(tell, f"{checkpoint.name}: losses", done, len(records))
                losses.append(_measure_loss(network, record, checkpoint.model.info.device))
    finally:
        network.set_attn_implementation(BACKEND_NAME)
    return losses


def generate_replies(
    checkpoint: Checkpoint, prompts: Sequence[tuple[int, ...]], sampling: SamplingParams, tell: Tell
) -> list[GeneratedText]:
    """
    Return a reply to each prompt; the seed grows by one from prompt to prompt.

    Raises `FinetuneError` if the engine refuses or fails a prompt.
    """
    model = checkpoint.model
    engine = EngineCore(
        model.network,
        model.kv_cache,
        vocab_size=model.info.vocab_size,
        max_step_tokens=model.max_step_tokens,
    )
    replies = {str(number): GeneratedText() for number in range(len(prompts))}
    builders = {name: TextBuilder(checkpoint.encoder, reply) for name, reply in replies.items()}
    for request in _list_requests(checkpoint, prompts, sampling):
        if reason := engine.add_request(request):
            raise FinetuneError(f"{checkpoint.name} cannot take a prompt: {reason}")
    done = 0
    try:
        while engine.has_unfinished_requests:
            ended = _run_step(engine, builders, replies)
            for _ in range(ended):
                _tell_tenth(tell, f"{checkpoint.name}: replies", done, len(prompts))
                done += 1
    except DeviceLostError as error:
        raise FinetuneError(f"{checkpoint.name}: the device failed ({error})") from error
    return list(replies.values())


def _list_requests(
    checkpoint: Checkpoint, prompts: Sequence[tuple[int, ...]], sampling: SamplingParams
) -> Iterable[Request]:
    for number, prompt in enumerate(prompts):
        seeded = replace(sampling, seed=sampling.seed + number)
        yield Request(str(number), prompt, seeded, checkpoint.encoder.stop_token_ids)


def _run_step(
    engine: EngineCore, builders: dict[str, TextBuilder], replies: dict[str, GeneratedText]
) -> int:
    """Run a step, and add its tokens to the texts; return the number of replies that ended."""
    output = engine.run_step()
    if output.failed:
        raise FinetuneError(f"the engine failed a reply: {next(iter(output.failed.values()))}")
    ended = set(output.finished)
    for name, ids in output.tokens.items():
        builders[name].add_ids(ids)
        if builders[name].has_ended:
            engine.cancel_request(name)
            ended.add(name)
    for name, finished in output.finished.items():
        replies[name].finish_reason = finished.reason
    for name in ended:
        builders[name].finish_text()
    return len(ended)


def _measure_loss(network: Any, record: DialogueRecord, device: str) -> LearnedLoss:
    ids = torch.tensor(record.ids, device=device)
    # The first token has nothing before it from which it could be predicted.
    places = [place for span in record.learned for place in range(max(1, span[0]), span[1])]
    rows = torch.tensor(places, device=device, dtype=torch.long)
    logits = network(ids[None], use_cache=False).logits[0, rows - 1]
    loss = cross_entropy(logits.float(), ids[rows], reduction="sum")
    return LearnedLoss(float(loss), len(places))


def _tell_tenth(tell: Tell, stage: str, done: int, total: int) -> None:
    """Tell the progress ten times at most."""
    if 10 * done // total != 10 * (done - 1) // total:
        tell(f"{stage}, {done} of {total}")
