"""Command line of the benchmarks: `python -m bench replies`, `python -m bench queue-wait`, …."""

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.engine import command

MEDIANS: Final = "runs, of which the table shows medians"


@dataclass(frozen=True, slots=True)
class Option:
    """Option whose type is that of its default."""

    name: str
    default: float | str
    help: str


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Benchmark whose module has a `main` with these options, which returns a table."""

    help: str
    options: tuple[Option, ...] = ()


BENCHMARKS: Final = {
    "replies": Benchmark(
        "latency, calls and memory around the model",
        (
            Option("--runs", 3, MEDIANS),
            Option("--burst", 100, "mentions sent at once"),
            Option("--sequential", 20, "mentions sent one by one"),
        ),
    ),
    "queue-wait": Benchmark(
        "accuracy of the estimated queue wait",
        (Option("--questions", 40, "questions in one burst"),),
    ),
    "hostile-sockets": Benchmark(
        "HTTP mode beside hostile sockets",
        (
            Option("--sockets", 1000, "hostile sockets"),
            Option("--seconds", 30.0, "seconds of requests"),
        ),
    ),
    "thread-memory": Benchmark(
        "memory of long threads in the cache",
        (Option("--threads", 50, "threads"), Option("length", 4000, "messages of each")),
    ),
    "purge-time": Benchmark(
        "time of forget and uninstall", (Option("--keys", 200_000, "keys in Redis"),)
    ),
    "names": Benchmark(
        "hints about names in code, against labelled uses and real modules",
        (Option("--modules", 4000, "files of installed packages"),),
    ),
    "words": Benchmark(
        "false alarms of a word list and of a classifier on innocent texts",
        (
            Option("--file", "", "a file as for STARCHAT_WORDS_FILE"),
            Option("--classifier", "", "an address as for STARCHAT_CLASSIFIER_URL"),
            Option("--threshold", 0.5, "a score as for STARCHAT_CLASSIFIER_THRESHOLD"),
        ),
    ),
    "canaries": Benchmark("text in Redis and its files after each end of text"),
    "layout": Benchmark(
        "time to lay out the longest replies", (Option("--rounds", 5, "layouts of each pattern"),)
    ),
    "checks": Benchmark(
        "time and memory of the checks of code", (Option("--replies", 400, "replies"),)
    ),
    "slow-reads": Benchmark(
        "acknowledgements beside slow reads",
        (
            Option("--threads", 100, "slow threads"),
            Option("--questions", 200, "questions elsewhere"),
        ),
    ),
    "flood": Benchmark(
        "waits beside a flood, under Slack's rate limits",
        (
            Option("--questions", 45, "questions of eight people"),
            Option("--flood", 50, "questions of a ninth"),
            Option("--threads", 20, "threads"),
        ),
    ),
    "growing-text": Benchmark(
        "calls and age of growing replies, under Slack's rate limits",
        (Option("--minutes", 10.0, "minutes with eight talkers"),),
    ),
    "stop-time": Benchmark(
        "time until a stopped reply frees its slot", (Option("--replies", 40, "stopped replies"),)
    ),
    "remote-hop": Benchmark(
        "what the remote engine costs before a vLLM on the CPU", (Option("--rounds", 3, MEDIANS),)
    ),
    "sampling-time": Benchmark(
        "CPU time of the host for a step with constant logits",
        (Option("--runs", 5, MEDIANS), Option("--steps", 50, "steps of a run")),
    ),
    "step-budgets": Benchmark(
        "kernels and host time of a GPU's step against their limits; needs no GPU",
        (Option("--runs", 3, MEDIANS), Option("--steps", 40, "steps of a run")),
    ),
    "secrets": Benchmark(
        "found and false secrets, and the time of masking",
        (Option("--seed", 0, "seed of the set"),),
    ),
    "identical": Benchmark(
        "tokens and time of the same question in many threads",
        (Option("--questions", 16, "questions at once"),),
    ),
    "asked-before": Benchmark(
        "precision and recall of like questions, and the time of a search",
        (
            Option("--questions", 100_000, "stored questions"),
            Option("--searches", 2_000, "searches of each kind"),
        ),
    ),
    "best-of": Benchmark(
        "what candidates bring and cost, with the demo's model on a CPU",
        (
            Option("--prompts", 156, "prompts that ask for code"),
            Option("--pairs", 20, "pairs of waits beside a reply"),
            Option("--temperature", 0.2, "temperature of the candidates"),
        ),
    ),
    "speculation": Benchmark(
        "gain and cost of speculative decoding, on a CPU", (Option("--rounds", 3, MEDIANS),)
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark that the command line names and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Run one benchmark and print its Markdown table."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, benchmark in BENCHMARKS.items():
        named = commands.add_parser(name, help=benchmark.help)
        for option in benchmark.options:
            named.add_argument(
                option.name,
                type=type(option.default),
                default=option.default,
                help=f"{option.help} (default: %(default)s)",
            )
    command.add_options(
        commands.add_parser("engine", help="throughput of our engine and of others, on one core")
    )
    options = parser.parse_args(arguments)
    if options.command == "engine":
        print(command.main(options))
        return
    # Each benchmark has its own libraries.
    module = importlib.import_module(f"bench.{options.command.replace('-', '_')}")
    values = {key: value for key, value in vars(options).items() if key != "command"}
    print(module.main(**values))


if __name__ == "__main__":
    main()
