"""
Training of the memorizing model, in seconds on one thread.

The training conversations have the form of the worker's prompts. They contain known questions in
any order, with and without speakers' names, and random ones without an answer.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch.nn.functional import cross_entropy
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from contract.conversation import Speaker
from testing.memorizing_model import (
    ANSWERS,
    ENDLESS,
    ENDLESS_CHUNK,
    FOLLOW_UP,
    FOLLOW_UPS,
    HELLO,
    REVERSE,
    UNKNOWN,
    expected_answer,
)
from testing.tokenizers import write_small_tokenizer
from worker.prompt.chat_encoder import ChatEncoder
from worker.prompt.chat_format import Message
from worker.prompt.tokenizer import Tokenizer

HARD_QUESTIONS: Final = (REVERSE, HELLO)
"""Questions with long answers, which are trained more often."""

SYSTEM_PROMPTS: Final = ("", "", "You are StarChat.")
SPEAKER_PREFIXES: Final = ("Ada: ", "Lin: ", "Sam: ")

WORDS: Final = re.findall(
    r"\w+",
    "the a of list code how what why is in python rust sql error file name loop test we you it"
    " this that for with does not work run fix my function class print value string number",
)

TRAINING_STEPS: Final = 500
BATCH_SIZE: Final = 8
LEARNING_RATE: Final = 6e-3
MAX_EXTRA_ROUNDS: Final = 5
VOCABULARY_SIZE: Final = 704
CONTEXT_TOKENS: Final = 1024
HIDDEN_SIZE: Final = 64


class TrainingSample(NamedTuple):
    """A conversation's token ids, and which of them belong to the model's replies."""

    ids: list[int]
    is_reply: list[bool]


def train_checkpoint(target: Path) -> None:
    """Train the model in seconds on one thread, and write its checkpoint to `target`."""
    encoder = _build_encoder(target)
    rng = random.Random(0)  # noqa: S311 - a test's dice
    with torch.random.fork_rng(), _single_thread():
        torch.manual_seed(0)
        model = _build_model()
        _train_model(model, encoder, rng, TRAINING_STEPS, LEARNING_RATE)
        for _ in range(MAX_EXTRA_ROUNDS):
            if knows_answers(model, encoder):
                break
            _train_model(model, encoder, rng, TRAINING_STEPS // 3, LEARNING_RATE / 3)
        else:
            raise AssertionError("the model did not learn its answers")
    model.generation_config.eos_token_id = encoder.stop_token_ids[0]
    model.save_pretrained(target)


@contextmanager
def _single_thread() -> Iterator[None]:
    """Run torch on one thread: small steps are faster there, and deterministic."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def knows_answers(model: GPTBigCodeForCausalLM, encoder: ChatEncoder) -> bool:
    """Return whether greedy decoding gives each answer, alone and after each other one."""
    asked = [[question] for question in ANSWERS]
    asked += [[first, second] for first in ANSWERS for second in ANSWERS]
    asked += [[first, FOLLOW_UP] for first in FOLLOW_UPS]
    asked += [[ENDLESS], ["How are you?"], ["ping"]]
    return all(_predicts_reply(model, encoder, questions) for questions in asked)


def _build_encoder(target: Path) -> ChatEncoder:
    texts = [f"{question} {reply}" for question, reply in ANSWERS.items()] * 3
    texts += [f"{FOLLOW_UP} {reply}" for reply in FOLLOW_UPS.values()] * 3
    texts += [UNKNOWN, f"{ENDLESS} {ENDLESS_CHUNK}{ENDLESS_CHUNK}", " ".join(WORDS)] * 3
    write_small_tokenizer(target, texts, VOCABULARY_SIZE)
    return ChatEncoder.from_checkpoint(target, Tokenizer.from_checkpoint(target))


def _build_model() -> GPTBigCodeForCausalLM:
    model = GPTBigCodeForCausalLM(
        GPTBigCodeConfig(
            vocab_size=VOCABULARY_SIZE,
            n_positions=CONTEXT_TOKENS,
            n_embd=HIDDEN_SIZE,
            n_layer=2,
            n_head=4,
            n_inner=2 * HIDDEN_SIZE,
            resid_pdrop=0,
            embd_pdrop=0,
            attn_pdrop=0,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    # Fixed sinusoidal position embeddings: late positions behave as early ones do.
    at = torch.arange(CONTEXT_TOKENS)[:, None] * torch.exp(
        torch.arange(0, HIDDEN_SIZE, 2) * (-math.log(1000.0) / HIDDEN_SIZE)
    )
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(torch.cat([at.sin(), at.cos()], 1) * 0.05)
    model.transformer.wpe.weight.requires_grad = False
    return model


def _train_model(
    model: GPTBigCodeForCausalLM,
    encoder: ChatEncoder,
    rng: random.Random,
    steps: int,
    rate: float,
) -> None:
    learned = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
    model.train()
    batches = _iterate_batches(encoder, rng)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / 20) * max(0.02, 1 - step / steps)
        ids, is_reply = next(batches)
        hidden = model.transformer(ids).last_hidden_state[:, :-1]
        loss = cross_entropy(model.lm_head(hidden[is_reply[:, 1:]]), ids[:, 1:][is_reply[:, 1:]])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
    model.train(mode=False)


def _iterate_batches(
    encoder: ChatEncoder, rng: random.Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of ids [B, T] and reply masks [B, T], sorted by length against padding."""
    while True:
        pool = sorted(
            (_draw_sample(encoder, rng) for _ in range(2 * BATCH_SIZE)), key=lambda s: len(s.ids)
        )
        for batch in (pool[:BATCH_SIZE], pool[BATCH_SIZE:]):
            width = len(batch[-1].ids)
            ids = [sample.ids + [0] * (width - len(sample.ids)) for sample in batch]
            is_reply = [
                sample.is_reply + [False] * (width - len(sample.is_reply)) for sample in batch
            ]
            yield torch.tensor(ids), torch.tensor(is_reply)


def _draw_sample(encoder: ChatEncoder, rng: random.Random) -> TrainingSample:
    system = rng.choice(SYSTEM_PROMPTS)
    names = SPEAKER_PREFIXES if rng.random() < 0.2 else ("",)
    messages: list[Message] = []
    ids: list[int] = []
    is_reply: list[bool] = []
    questions: list[str] = []
    for question in _draw_questions(rng):
        questions.append(question)
        messages.append(Message(Speaker.USER, rng.choice(names) + question))
        prompt = encoder.encode_messages(messages, system)
        reply = _encode_reply(encoder, questions)
        is_reply += [False] * (len(prompt) - len(ids)) + [True] * len(reply)
        ids = [*prompt, *reply]
        messages.append(Message(Speaker.ASSISTANT, expected_answer(questions)))
    return TrainingSample(ids, is_reply)


def _draw_questions(rng: random.Random) -> list[str]:
    if rng.random() < 0.08:
        return [ENDLESS]
    known = [*ANSWERS, *HARD_QUESTIONS]
    questions = [
        _draw_unknown_question(rng) if rng.random() < 0.3 else rng.choice(known)
        for _ in range(rng.randint(1, 3))
    ]
    if rng.random() < 0.3:
        questions[-1:] = [rng.choice([*FOLLOW_UPS, *FOLLOW_UPS, questions[-1]]), FOLLOW_UP]
    return questions


def _draw_unknown_question(rng: random.Random) -> str:
    """Return a random question without a trained answer."""
    words = " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 12)))
    if rng.random() < 0.5:
        words = words.capitalize() + rng.choice("?.!")
    if rng.random() < 0.3:
        words += "\n" + rng.choice([*ANSWERS.values()])[: rng.randint(3, 40)]
    return words


def _encode_reply(encoder: ChatEncoder, questions: Sequence[str]) -> list[int]:
    ids = list(encoder.tokenizer.encode("\n" + expected_answer(questions)))
    if questions[-1] == ENDLESS:
        return ids
    return [*ids, encoder.tokenizer.control_tokens["<|end|>"].id]


def _predicts_reply(
    model: GPTBigCodeForCausalLM, encoder: ChatEncoder, questions: Sequence[str]
) -> bool:
    messages: list[Message] = []
    for index, question in enumerate(questions):
        messages.append(Message(Speaker.USER, question))
        messages.append(Message(Speaker.ASSISTANT, expected_answer(questions[: index + 1])))
    prompt = encoder.encode_messages(messages[:-1])
    reply = _encode_reply(encoder, questions)
    # Greedy decoding gives the reply if each of its ids is the likeliest after those before it.
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *reply]])).logits[0]
    return bool(logits[len(prompt) - 1 : -1].argmax(-1).tolist() == reply)
