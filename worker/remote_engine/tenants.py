"""Names that an inference server gets for teams and threads: no Slack id, nothing to guess."""

import hashlib
import hmac
import secrets
from typing import Final

SECRET_BYTES: Final = 32


class TenantKeys:
    """
    Cache salts of teams and session names of threads.

    The secret of the salts is this object's alone. Forgetting anything of a team gives it a new
    salt, so that the server reaches no old prefix of it any more; the blocks themselves age out.
    `session_secret` is equal in all workers, so that a thread stays with its replica.
    """

    def __init__(self, session_secret: str) -> None:
        self._session_secret = session_secret.encode()
        self._salt_secret = secrets.token_bytes(SECRET_BYTES)
        self._epochs: dict[str, int] = {}

    def read_salt(self, scope: str) -> str:
        """Return the salt of a scope's team, 64 characters."""
        team = scope.partition("/")[0]
        return _sign(self._salt_secret, f"{team}:{self._epochs.get(team, 0)}")

    def forget_scope(self, scope: str) -> None:
        """Give the team of a scope a new salt; all teams if the scope is empty."""
        if not scope:
            self._salt_secret = secrets.token_bytes(SECRET_BYTES)
            self._epochs.clear()
            return
        team = scope.partition("/")[0]
        self._epochs[team] = self._epochs.get(team, 0) + 1

    def name_session(self, scope: str) -> str:
        """Return the session of a thread, 64 characters."""
        return _sign(self._session_secret, scope)


def _sign(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
