"""What a file's SHA-256 ought to be, as archives publish it: `<url>.CHECKSUM`, a line of `sha256  name` a file."""

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from app.core.errors import BadInput, Misconfigured

_LINE: Final = re.compile(r"([0-9a-fA-F]{64})(?:[ \t]+\*?(\S.*?))?")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{64}")


def sidecar_url(url: str) -> str:
    """Where the checksum of the file at `url` is published."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path + ".CHECKSUM"))


def parse_sidecar(text: str, name: str) -> str:
    """The checksum of the file `name` in a sidecar's text, in small letters.

    Raises:
        BadInput: the text is no list of checksums, or `name` is not in it.
    """
    found = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    named = {match[2] or name: match[1].lower() for match in found if match is not None}
    if not found or None in found:
        raise BadInput(
            f"the checksum file of {name} is no list of `sha256  name` lines; it starts with {text[:40]!r}; give the "
            "checksum yourself, or ask for none to be looked for",
            reason="checksum_file",
        )
    if name not in named:
        raise BadInput(
            f"the checksum file of {name} speaks of {', '.join(sorted(named))} only; give the checksum yourself, or "
            "ask for none to be looked for",
            reason="checksum_file",
        )
    return named[name]


def given_digest(sha256: str) -> str:
    """`sha256` in small letters.

    Raises:
        Misconfigured: it is none.
    """
    if not _DIGEST.fullmatch(sha256):
        raise Misconfigured(f"sha256 {sha256!r} is no checksum: expected 64 hexadecimal digits")
    return sha256.lower()
