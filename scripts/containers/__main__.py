"""Command line of the container trial: `python -m scripts.containers`."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from demo.__main__ import EXAMPLE_QUESTION
from demo.processes import REPOSITORY
from scripts import credentials
from scripts.containers.confinement import ConfinementError
from scripts.containers.engine import Engine, EngineError, report_line
from scripts.containers.images import TARGETS, ImageBuilder
from scripts.containers.trial import FAKESLACK_API, Trial, TrialError, TrialResult

DIRECTORY: Final = REPOSITORY / ".containers"
PROGRAMS: Final = ("podman", "buildah", "runc", "catatonit", "mmdebstrap", "iptables")
"""Debian's packages of the same names, as root."""


def main() -> None:
    """Build the images, run the demo's services and the product's, and print the figures."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing or os.getuid() != 0:
        sys.exit(f"containers: needs root and Debian's packages {' '.join(missing or PROGRAMS)}")
    engine = Engine(DIRECTORY)
    engine.remove_containers()
    build_seconds = ImageBuilder(engine, REPOSITORY, DIRECTORY).build_all()
    with tempfile.TemporaryDirectory(prefix="containers-") as folder:
        secrets = _write_credentials(Path(folder))
        trial = Trial(engine, REPOSITORY, secrets)
        try:
            demo, product = _run_trial(trial)
        except (TrialError, ConfinementError) as error:
            # Told at once: the removal of the containers may fail too.
            report_line(f"{error}\n{trial.read_logs()}")
            sys.exit(1)
        finally:
            engine.remove_containers()
    print(_format_report(engine, build_seconds, demo, product))


def _run_trial(trial: Trial) -> tuple[TrialResult, TrialResult]:
    """Run the demo's services, then the product's, whose Slack and model are replaced."""
    trial.create_networks()
    demo, product = TrialResult(), TrialResult()
    for name in ("valkey", "fakeslack", "demo-bot", "demo-worker"):
        trial.start_service(name, demo)
    _ask_twice(trial, "demo-worker", demo)
    model = trial.find_model("demo-worker")
    trial.stop_services(["demo-worker", "demo-bot"], demo)
    trial.start_service("bot", product, {"SLACK_API_URL": FAKESLACK_API})
    # The real model needs a GPU, and a hub to download it from.
    replaced = {"SLACK_API_URL": FAKESLACK_API, "STARCHAT_MODEL": model, "HF_HUB_OFFLINE": "1"}
    trial.start_service("worker", product, replaced)
    _ask_twice(trial, "worker", product)
    trial.stop_services(["worker", "bot", "fakeslack", "valkey"], product)
    return demo, product


def _ask_twice(trial: Trial, worker: str, result: TrialResult) -> None:
    result.reply_seconds = trial.ask(EXAMPLE_QUESTION)
    report_line(f"reply after {result.reply_seconds:.1f} s")
    result.reply_after_kill_seconds = trial.ask(
        EXAMPLE_QUESTION, lambda: trial.kill_service(worker)
    )
    report_line(f"reply after {result.reply_after_kill_seconds:.1f} s, with a killed worker")


def _write_credentials(folder: Path) -> Path:
    """Create what `make credentials` creates, with fakeslack's tokens."""
    credentials.main(folder)
    for kind in ("bot", "app"):
        prefix = "xoxb" if kind == "bot" else "xapp"
        (folder / "secrets" / f"slack_{kind}_token").write_text(f"{prefix}-fakeslack\n", "utf-8")
    return folder / "secrets"


def _format_report(
    engine: Engine, build_seconds: dict[str, float], demo: TrialResult, product: TrialResult
) -> str:
    lines = ["| Image | Size | Build |", "|---|---:|---:|"]
    for target, image in TARGETS.items():
        size = engine.inspect(f"localhost/{image}", "image")["Size"] / 1e6
        lines.append(f"| `{image}` | {size:,.0f} MB | {build_seconds[target]:.0f} s |")
    lines += ["", "| Service | Ready after | Stopped after |", "|---|---:|---:|"]
    starts = demo.start_seconds | product.start_seconds
    stops = demo.stop_seconds | product.stop_seconds
    lines += [f"| `{name}` | {starts[name]:.1f} s | {stops[name]:.1f} s |" for name in starts]
    lines += ["", "| Question | Demo's services | Product's services |", "|---|---:|---:|"]
    lines.append(f"| reply | {demo.reply_seconds:.1f} s | {product.reply_seconds:.1f} s |")
    killed = (demo.reply_after_kill_seconds, product.reply_after_kill_seconds)
    lines.append(
        f"| reply, worker killed while it writes | {killed[0]:.1f} s | {killed[1]:.1f} s |"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except EngineError as error:
        sys.exit(f"containers: {error}")
