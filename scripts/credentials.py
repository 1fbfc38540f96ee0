"""
Makes what docker-compose.yml reads: `secrets/` with Redis' passwords, and `.env` with who owns it.

Standard library only. What is there already stays as it is, so running it twice is harmless.
`secrets/users.acl` holds hashes of long random passwords and may be read by anyone; everything
else in `secrets/` is for its owner, under whose number the bot and the worker run.
"""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ACL_TEMPLATE: Final = REPOSITORY / "deploy" / "users.acl"
SERVER_ADDRESS: Final = "valkey:6379"
"""Where docker-compose.yml's own network has the server."""
ACL_USERS: Final = ("bot", "worker")
TOKEN_FILES: Final = ("slack_bot_token", "slack_app_token")
UNPRIVILEGED_UID: Final = 10001
"""Who the processes run as where root owns the checkout: never root."""


def main(repository: Path = REPOSITORY) -> None:
    """Make the folder and the file that are missing."""
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
    print(f"secrets/ is ready; now put the two tokens into {' and '.join(TOKEN_FILES)} there.")


def _write_secret(path: Path, text: str, owner: int, mode: int = 0o600) -> None:
    path.write_text(text, "utf-8")
    path.chmod(mode)
    if os.getuid() == 0:
        os.chown(path, owner, owner)


if __name__ == "__main__":
    main()
