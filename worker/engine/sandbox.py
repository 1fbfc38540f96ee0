"""
Sandbox of the engine's process: Landlock for files and TCP, seccomp for sockets. Torch-free.

A checkpoint and its libraries are foreign code. They run with the worker's user id, and only the
kernel keeps them from the worker's memory, secret files and connections. Each part that the system
lacks is skipped; `describe_sandbox` names it.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
CAPABILITY_VERSION: Final = 0x20080522
CAP_DAC_OVERRIDE: Final = 1 << 1
"""Kept for root, whose model directory may belong to another user; Landlock applies to it too."""

LANDLOCK_CREATE_RULESET: Final = 444
LANDLOCK_ADD_RULE: Final = 445
LANDLOCK_RESTRICT_SELF: Final = 446
"""System call numbers, equal on all architectures; see linux/landlock.h for what follows."""
LANDLOCK_VERSION_FLAG: Final = 1
RULE_PATH_BENEATH: Final = 1
WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
CHANGE_DIR: Final = sum(1 << bit for bit in range(4, 13))
"""Rights to create and to remove entries of a directory."""
REFER: Final = 1 << 13
TRUNCATE: Final = 1 << 14
BIND_AND_CONNECT_TCP: Final = 0b11
SCOPE_SOCKETS_AND_SIGNALS: Final = 0b11

SECCOMP_SET_MODE_FILTER: Final = 1
SECCOMP_FILTER_ALL_THREADS: Final = 1
SECCOMP_ALLOW: Final = 0x7FFF0000
SECCOMP_EPERM: Final = 0x00050001
BPF_LOAD_WORD: Final = 0x20
BPF_JUMP_IF_EQUAL: Final = 0x15
BPF_JUMP_IF_GREATER_OR_EQUAL: Final = 0x35
BPF_RETURN: Final = 0x06
X32_SYSCALLS: Final = 0x40000000
"""First number of x86's second system call table."""

SYSTEM_DIRECTORIES: Final = (
    "/usr", "/lib", "/lib64", "/bin", "/sbin", "/opt", "/proc", "/sys", "/nix/store",
    "/etc/ld.so.cache", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/localtime",
    "/etc/alternatives", "/etc/nvidia", "/etc/OpenCL", "/var/lib/nvidia",
)  # fmt: skip
"""Readable for libraries. `/run` and the rest of `/etc`, where secrets lie, are not."""
CACHE_VARIABLES: Final = ("TORCHINDUCTOR_CACHE_DIR", "CUDA_CACHE_PATH", "TORCH_HOME")

GPU_CONTROL_DEVICE: Final = Path("/dev/nvidiactl")
"""Device file that exists where NVIDIA's driver does."""


@dataclass(frozen=True, slots=True)
class Syscalls:
    """Numbers of one architecture: its audit id, `seccomp`, and the forbidden system calls."""

    audit_id: int
    seccomp: int
    forbidden: tuple[int, ...]


SYSCALLS: Final = {
    # socket, ptrace, process_vm_readv, process_vm_writev, pidfd_getfd, io_uring_setup
    "x86_64": Syscalls(0xC000003E, 317, (41, 101, 310, 311, 438, 425)),
    "aarch64": Syscalls(0xC00000B7, 277, (198, 117, 270, 271, 438, 425)),
}


def wants_sandbox(choice: str, device: str, gpu_control: Path = GPU_CONTROL_DEVICE) -> bool:
    """
    Return whether an operator's choice (`auto`, `on` or `off`) means a sandbox on this device.

    `auto` means none where the engine may use a GPU: CUDA under the sandbox is not measured yet.
    """
    may_use_gpu = device != "cpu" and gpu_control.exists()
    return choice == "on" or (choice == "auto" and not may_use_gpu)


class Sandbox:
    """Sandbox of this process. What was applied is kept in `parts`."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
        self.parts: dict[str, bool] = {"landlock": False, "seccomp": False}

    def harden_process(self) -> None:
        """Forbid core dumps, and access by other processes of this user."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._libc is not None:
            self._libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)

    def restrict_thread(self, readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> bool:
        """
        Restrict this thread, and all it starts, to these paths; forbid TCP and access to processes.

        Other threads that run already are not covered. Returns false if the kernel has no Landlock:
        then only capabilities are dropped.
        """
        self._drop_privileges()
        version = self._call(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION_FLAG)
        if version < 1:
            return False
        read = READ_FILE | READ_DIR
        write = WRITE_FILE | CHANGE_DIR | (REFER if version > 1 else 0)
        write |= TRUNCATE if version > 2 else 0  # noqa: PLR2004
        attributes = struct.pack("Q", read | write)
        attributes += struct.pack("Q", BIND_AND_CONNECT_TCP) if version > 3 else b""  # noqa: PLR2004
        attributes += struct.pack("Q", SCOPE_SOCKETS_AND_SIGNALS) if version > 5 else b""  # noqa: PLR2004
        ruleset = self._call(LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
        if ruleset < 0:
            return False
        try:
            for path in readable:
                self._add_rule(ruleset, path, read)
            for path in writable:
                self._add_rule(ruleset, path, read | write)
            self.parts["landlock"] = self._call(LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0
        finally:
            os.close(ruleset)
        return self.parts["landlock"]

    def forbid_sockets(self) -> bool:
        """
        Forbid new sockets and access to other processes' memory, for all threads.

        Call `restrict_thread` first: it forbids new privileges, which the kernel demands. Returns
        false if the system has no seccomp filter for this architecture.
        """
        numbers = SYSCALLS.get(platform.machine())
        if numbers is None:
            return False
        program = build_filter(numbers)
        code = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
        self.parts["seccomp"] = (
            self._call(numbers.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_ALL_THREADS, header)
            == 0
        )
        return self.parts["seccomp"]

    def _drop_privileges(self) -> None:
        if self._libc is None:
            return
        self._libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # With CAP_PERFMON or CAP_SYS_PTRACE, root could read the worker's environment.
        header = struct.pack("Ii", CAPABILITY_VERSION, 0)
        sets = ctypes.create_string_buffer(struct.calcsize("6I"))
        if self._libc.capget(header, sets) == 0:
            _, permitted, *_ = struct.unpack("6I", sets.raw)
            kept = permitted & CAP_DAC_OVERRIDE
            self._libc.capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0))

    def _add_rule(self, ruleset: int, path: Path, access: int) -> None:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not path.is_dir():
                access &= READ_FILE | WRITE_FILE | TRUNCATE
            rule = struct.pack("=Qi", access, descriptor)
            self._call(LANDLOCK_ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
        finally:
            os.close(descriptor)

    def _call(self, number: int, *arguments: object) -> int:
        if self._libc is None:
            return -1
        # `syscall` is variadic: every integer has to be passed as a long.
        longs = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
        return int(self._libc.syscall(ctypes.c_long(number), *longs))


def build_filter(numbers: Syscalls) -> bytes:
    """Return a BPF program that fails the forbidden system calls with EPERM."""

    def instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, value)

    checks = [
        *((BPF_JUMP_IF_EQUAL, number) for number in numbers.forbidden),
        (BPF_JUMP_IF_GREATER_OR_EQUAL, X32_SYSCALLS),
    ]
    # `seccomp_data` begins with the system call's number and the architecture.
    program = [
        instruction(BPF_LOAD_WORD, 0, 0, 4),
        instruction(BPF_JUMP_IF_EQUAL, 0, len(checks) + 2, numbers.audit_id),
        instruction(BPF_LOAD_WORD, 0, 0, 0),
    ]
    for index, (code, value) in enumerate(checks):
        program.append(instruction(code, len(checks) - index, 0, value))
    program += [
        instruction(BPF_RETURN, 0, 0, SECCOMP_ALLOW),
        instruction(BPF_RETURN, 0, 0, SECCOMP_EPERM),
    ]
    return b"".join(program)


def readable_paths(*checkpoints: Path) -> list[Path]:
    """Return what loading a model reads: libraries, Python, this package and checkpoints."""
    package = Path(__file__).parents[1]
    modules = [Path(entry) for entry in sys.path if entry and Path(entry) != package.parent]
    libraries = [Path(entry) for entry in os.environ.get("LD_LIBRARY_PATH", "").split(":") if entry]
    prefixes = [Path(sys.prefix), Path(sys.base_prefix), package]
    return [
        *(Path(name) for name in SYSTEM_DIRECTORIES),
        *(path for path in (*prefixes, *modules, *libraries) if path.parent != path),
        *(path for checkpoint in checkpoints for path in checkpoint_paths(checkpoint)),
    ]


def checkpoint_paths(checkpoint: Path) -> list[Path]:
    """Return a checkpoint and the directories that its links point to, as in the hub's cache."""
    files = checkpoint.iterdir() if checkpoint.is_dir() else [checkpoint]
    return [checkpoint, *sorted({file.resolve().parent for file in files if file.is_symlink()})]


def writable_paths(*caches: Path) -> list[Path]:
    """Return what loading a model writes: devices, temporary files and caches."""
    named = [Path(os.environ[name]) for name in CACHE_VARIABLES if name in os.environ]
    home = [Path(name).expanduser() for name in ("~/.nv", "~/.triton") if "HOME" in os.environ]
    return [Path("/dev"), Path(tempfile.gettempdir()), *home, *named, *caches]


def describe_sandbox(sandbox: Sandbox) -> str:
    """Return one line for the log: `complete`, or the parts that this system lacks."""
    missing = [name for name, is_applied in sandbox.parts.items() if not is_applied]
    return f"not available: {', '.join(missing)}" if missing else "complete"
