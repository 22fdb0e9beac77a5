"""The errors a caller can catch.

    AviaryError
    ├── Misconfigured      a person must change something (config, bundle, schema); exit code 2
    ├── BadInput           a message, row or file that cannot be used; refused or dead-lettered, never guessed at
    │   └── SchemaMismatch made under another layout than the one running
    ├── Rejected           a venue, filter or gate said no
    ├── Stale              too old to act upon
    └── Retryable          the same call may succeed later (connection, timeout)

Every text names what, which key, which value and what to do next; never a secret.
"""


class AviaryError(Exception):
    """Root of everything this project raises on purpose."""


class Misconfigured(AviaryError):
    """Something a person wrote or installed is wrong; retrying cannot help."""


class BadInput(AviaryError):
    """A message, row or file that cannot be used.

    `reason` is a short fixed word fit for a metric label; the text is for people.
    """

    def __init__(self, text: str, *, reason: str = "bad_input") -> None:
        super().__init__(text)
        self.reason = reason


class SchemaMismatch(BadInput):
    """Made under another layout (row dtype, feature catalogue, message version) than the one running."""

    def __init__(self, text: str, *, reason: str = "schema_mismatch") -> None:
        super().__init__(text, reason=reason)


class Rejected(AviaryError):
    """A venue, filter or gate refused; `reason` is fit for a metric label."""

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class Stale(AviaryError):
    """Too old to act upon."""


class Retryable(AviaryError):
    """The same call may succeed later."""
