"""Who may speak: one-time codes that buy bearer tokens. Pure but for the randomness of new secrets.

A code is 256 bits, good once and for a minute; a token is 256 bits, kept in memory, as long as this server runs. Only
SHA-256 digests are kept, so that nothing that can be read here opens anything.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final, Literal

CODE_NS: Final = 60 * 10**9
"""How long a code is good."""
IDLE_NS: Final = 12 * 3600 * 10**9
"""A token that nobody used for so long is forgotten."""
MOST_TOKENS: Final = 64
MOST_FAILURES: Final = 10
FAILURE_WINDOW_NS: Final = 60 * 10**9

Client = Literal["page", "api"]


def new_secret() -> str:
    """256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is kept of a secret: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


@dataclass(slots=True)
class _Token:
    client: Client
    used_ns: int


class Sessions:
    """Codes and tokens of one server. Times are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._tokens: dict[str, _Token] = {}
        self._failures: list[int] = []

    def add_code(self, code_digest: str, now_ns: int, lasts_ns: int = CODE_NS) -> None:
        """From now on this code buys a token, once."""
        self._codes = {known: until for known, until in self._codes.items() if until > now_ns}
        self._codes[code_digest] = now_ns + lasts_ns

    def retry_after_s(self, now_ns: int) -> int | None:
        """Seconds to wait when too many wrong codes came lately; None: speak."""
        self._failures = [then for then in self._failures if now_ns - then < FAILURE_WINDOW_NS]
        if len(self._failures) < MOST_FAILURES:
            return None
        return max(1, (self._failures[0] + FAILURE_WINDOW_NS - now_ns) // 10**9 + 1)

    def redeem(self, code: str, client: Client, now_ns: int) -> str | None:
        """The token that a code buys; None, counted as a failure, when it is wrong, used or too old."""
        wanted = digest(code)
        found = next((known for known in self._codes if hmac.compare_digest(known, wanted)), None)
        until_ns = self._codes.pop(found) if found is not None else 0
        if until_ns <= now_ns:
            self._failures = [*self._failures, now_ns][-MOST_FAILURES:]
            return None
        token = new_secret()
        if len(self._tokens) >= MOST_TOKENS:
            del self._tokens[min(self._tokens, key=lambda known: self._tokens[known].used_ns)]
        self._tokens[digest(token)] = _Token(client, now_ns)
        return token

    def client_of(self, token: str, now_ns: int) -> Client | None:
        """Who holds this token; None when nobody does (any more)."""
        key = digest(token)
        held = self._tokens.get(key)
        if held is None:
            return None
        if now_ns - held.used_ns > IDLE_NS:
            del self._tokens[key]
            return None
        held.used_ns = now_ns
        return held.client

    def end(self, token: str) -> None:
        """The token buys nothing any more."""
        self._tokens.pop(digest(token), None)
