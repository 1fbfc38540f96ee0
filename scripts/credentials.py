"""
Credentials for docker-compose.yml: Redis passwords in `secrets/`, the owner's ids in `.env`.

Standard library only. Keeps existing files, so that a second run changes nothing.
`secrets/users.acl` holds hashes of long random passwords and is world-readable. Everything else in
`secrets/` is readable by its owner only; the bot and the worker run with the owner's user id.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ACL_TEMPLATE: Final = REPOSITORY / "deploy" / "users.acl"
SERVER_ADDRESS: Final = "valkey:6379"
"""The server's address in the network of docker-compose.yml."""
ACL_USERS: Final = ("bot", "worker")
TOKEN_FILES: Final = ("slack_bot_token", "slack_app_token")
UNPRIVILEGED_UID: Final = 10001
"""User id of the processes if root owns the checkout, so that they never run as root."""


def main(repository: Path = REPOSITORY) -> None:
    """Create the missing secrets and the missing `.env`."""
    owner = os.getuid() or UNPRIVILEGED_UID
    group = os.getgid() or UNPRIVILEGED_UID
    directory = repository / "secrets"
    directory.mkdir(mode=0o700, exist_ok=True)
    if not (directory / "users.acl").exists():
        passwords = {name: secrets.token_urlsafe(32) for name in ACL_USERS}
        for name, password in passwords.items():
            _write_secret(
                directory / f"redis_url_{name}",
                f"redis://{name}:{password}@{SERVER_ADDRESS}/0\n",
                owner,
            )
        hashes = {n: hashlib.sha256(p.encode()).hexdigest() for n, p in passwords.items()}
        _write_secret(
            directory / "users.acl", ACL_TEMPLATE.read_text("utf-8").format(**hashes), owner, 0o644
        )
    for name in TOKEN_FILES:
        if not (directory / name).exists():
            _write_secret(directory / name, "", owner)
    environment = repository / ".env"
    if not environment.exists():
        environment.write_text(f"STARCHAT_UID={owner}\nSTARCHAT_GID={group}\n", "utf-8")
    print(
        f"secrets/ is ready. Next, put the tokens into secrets/{' and secrets/'.join(TOKEN_FILES)}."
    )


def _write_secret(path: Path, text: str, owner: int, mode: int = 0o600) -> None:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, owner, owner)


if __name__ == "__main__":
    main()
