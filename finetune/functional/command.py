"""Command `python -m finetune functional`: runs code that models write, in containers alone."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contract.conversation import Speaker
from finetune.console import tell_operator
from finetune.evaluate.checkpoint import find_base, generate_replies, load_checkpoint
from finetune.functional.problems import Problem, find_code, read_problems
from finetune.functional.sandbox import Sandbox, find_engine, judge_codes
from finetune.functional.verdicts import Verdict, measure_pass_rate
from finetune.options import OptionParser, bound_number
from finetune.prepare.encoding import load_chat_encoder
from worker.answering.generated_text import GeneratedText
from worker.engine import SamplingParams
from worker.prompt.chat_format import Message

DEFAULT_IMAGE: Final = "python:3.11-slim"


def run_functional(arguments: Sequence[str]) -> None:
    """Print the share of problems that each model solves. Raises `FinetuneError`, `SystemExit`."""
    parsed = _parse_functional_options(arguments)
    problems = read_problems()
    prompts = {
        directory: _build_prompts(find_base(directory), problems) for directory in parsed.models
    }
    sandbox = Sandbox(find_engine(parsed.engine), parsed.image, parsed.timeout)
    # Before the weights, which take minutes.
    asyncio.run(sandbox.check_engine())
    for directory in parsed.models:
        replies = _generate_replies(directory, prompts[directory], parsed)
        codes = [
            find_code(reply.text, problem.function)
            for reply, problem in zip(replies, problems, strict=True)
        ]
        tell_operator(f"{directory}: runs {sum(map(bool, codes))} containers, one after another")
        verdicts = asyncio.run(judge_codes(sandbox, problems, codes))
        print("\n".join(_describe_verdicts(directory, problems, verdicts)), flush=True)


def _build_prompts(directory: Path, problems: Sequence[Problem]) -> list[tuple[int, ...]]:
    encoder = load_chat_encoder(directory)
    messages = [Message(Speaker.USER, problem.question) for problem in problems]
    return [encoder.encode_messages([message]) for message in messages]


def _generate_replies(
    directory: Path, prompts: Sequence[tuple[int, ...]], parsed: argparse.Namespace
) -> list[GeneratedText]:
    """Return a reply to each prompt; the model leaves the memory after it."""
    positions = max(map(len, prompts)) + parsed.max_new_tokens
    checkpoint = load_checkpoint(directory, str(directory), positions)
    sampling = SamplingParams(parsed.max_new_tokens, parsed.temperature, seed=parsed.seed)
    return generate_replies(checkpoint, prompts, sampling, tell_operator)


def _describe_verdicts(
    directory: Path, problems: Sequence[Problem], verdicts: Sequence[Verdict]
) -> list[str]:
    rate = measure_pass_rate(verdicts)
    counts = Counter(verdicts)
    rates = f"pass@1 {rate.share:.0%} ({rate.low:.0%} to {rate.high:.0%}, 95%)"
    lines = [f"{directory}: {rates} of {len(problems)} problems"]
    for verdict in Verdict:
        names = [
            problem.function
            for problem, found in zip(problems, verdicts, strict=True)
            if found is verdict
        ]
        if names:
            lines.append(f"  {counts[verdict]} {verdict}: {', '.join(names)}")
    return lines


def _parse_functional_options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser(
        "functional",
        "Let models write 20 small Python functions, run each one on test cases in a container "
        "without network and rights, and print the share that passes.",
    )
    add = parser.add_argument
    add("models", nargs="+", type=Path, metavar="MODEL", help="directory of a model or an adapter")
    add(
        "--engine",
        default="",
        metavar="COMMAND",
        help="podman or docker with its options, such as 'podman --runtime runc' (default: the "
        "first one that this machine has)",
    )
    add(
        "--image",
        default=DEFAULT_IMAGE,
        help="an image with python3 that is here already; none is downloaded",
    )
    add(
        "--timeout",
        type=bound_number(float, 1.0, 600.0),
        default=20.0,
        metavar="SECONDS",
        help="maximum seconds of a container, with its start",
    )
    add(
        "--max-new-tokens",
        type=bound_number(int, 16, 4096),
        default=512,
        metavar="N",
        help="maximum tokens of a reply",
    )
    add(
        "--temperature",
        type=bound_number(float, 0.0, 2.0),
        default=0.2,
        metavar="T",
        help="temperature of the replies",
    )
    add(
        "--seed",
        type=bound_number(int, 0, 2**32 - 1),
        default=42,
        metavar="N",
        help="seed of the first reply; it grows by one from problem to problem",
    )
    return parser.parse_args(arguments)
