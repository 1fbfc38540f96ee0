"""Confinement of a running container, read from outside it in `/proc`."""

from pathlib import Path
from typing import Any, Final

PROC: Final = Path("/proc")


class ConfinementError(Exception):
    """A container may do more than docker-compose.yml says; the message names the fact."""


def check_container(service: dict[str, Any], pid: int) -> None:
    """Compare a container's processes with its service. Raises `ConfinementError`."""
    user = str(service["user"]).partition(":")[0]
    for process in [pid, *list_children(pid)]:
        status = read_status(process)
        facts = {
            "user": set(status["Uid"].split()) == {user},
            "capabilities": all(
                int(status[f"Cap{kind}"], 16) == 0 for kind in ("Eff", "Prm", "Bnd")
            ),
            "new privileges": status["NoNewPrivs"] == "1",
        }
        wrong = [name for name, holds in facts.items() if not holds]
        if wrong:
            raise ConfinementError(f"{service['image']}: {status['Name']}: {', '.join(wrong)}")
    writable = list_writable_mounts(pid) - set(service["tmpfs"]) - _volume_targets(service)
    if writable:
        raise ConfinementError(f"{service['image']}: writable: {', '.join(sorted(writable))}")
    secrets = PROC / str(pid) / "root" / "run" / "secrets"
    found = {file.name for file in secrets.iterdir()} if secrets.is_dir() else set()
    if found != set(service.get("secrets", ())):
        raise ConfinementError(f"{service['image']}: secrets: {', '.join(sorted(found))}")


def read_status(pid: int) -> dict[str, str]:
    """Return the fields of `/proc/PID/status`."""
    lines = (PROC / str(pid) / "status").read_text("utf-8").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def list_children(pid: int) -> list[int]:
    """Return the process ids below a process."""
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text("utf-8").split()
    return [child for name in children for child in (int(name), *list_children(int(name)))]


def list_writable_mounts(pid: int) -> set[str]:
    """Return the mount points of file systems that a process may write to."""
    lines = (PROC / str(pid) / "mountinfo").read_text("utf-8").splitlines()
    mounts = [line.split(" ") for line in lines]
    return {
        fields[4]
        for fields in mounts
        if "rw" in fields[5].split(",") and not fields[4].startswith(("/dev", "/proc", "/sys"))
    }


def _volume_targets(service: dict[str, Any]) -> set[str]:
    volumes = [volume.split(":") for volume in service.get("volumes", ())]
    return {parts[1] for parts in volumes if parts[2:] != ["ro"]}
