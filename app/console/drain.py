"""Knowing when everything that was sent has been handled."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Any

from app.bus.wire import Moved, RedisRefused, Wire, pack
from app.core.errors import Retryable

_POLL_S = 0.2


class Backlog:
    """Looks at the consumer groups of some streams, all at one instant.

    Entries are acknowledged in the transaction that publishes what came of them. So at an instant at which no group
    has anything unread or unacknowledged, nothing is on its way anywhere.
    """

    def __init__(self, wire: Wire, streams: Sequence[str], groups: Collection[str]) -> None:
        self._wire = wire
        self._streams = tuple(streams)
        self._groups = set(groups)
        self._connected = False

    async def behind(self) -> dict[str, str]:
        """``stream|group`` → the newest entry it has taken, for each group that is not done with its stream.

        Raises:
            OSError: the connection broke; `close`, and the next look connects again.
        """
        if not self._connected:
            await self._wire.connect()
            self._connected = True
        exists = await self._wire.call(b"".join(pack("EXISTS", s) for s in self._streams), len(self._streams))
        streams = [stream for stream, found in zip(self._streams, exists, strict=True) if found]
        if not streams:
            return {}
        asked = b"".join(pack("XINFO", "STREAM", s) + pack("XINFO", "GROUPS", s) for s in streams)
        replies = await self._wire.call(pack("MULTI") + asked + pack("EXEC"), 2 * len(streams) + 2)
        answers = replies[-1]
        found: dict[str, str] = {}
        for stream, info, groups in zip(streams, answers[::2], answers[1::2], strict=True):
            newest = _fields(info)[b"last-generated-id"]
            for group in map(_fields, groups):
                name = group[b"name"].decode()
                if name in self._groups and (group[b"pending"] or group[b"last-delivered-id"] != newest):
                    found[f"{stream}|{name}"] = f"{group[b'last-delivered-id'].decode()}, pending {group[b'pending']}"
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connected = False
        self._wire.close()


async def drain(backlog: Backlog, *, patience_s: float) -> list[str]:
    """Wait until no group is behind; give up after `patience_s` without any progress.

    Returns the ``stream|group`` pairs still behind, empty if drained.
    """
    before: dict[str, str] = {}
    deadline = time.monotonic() + patience_s
    while True:
        try:
            behind = await backlog.behind()
        except (OSError, Retryable, RedisRefused, Moved):
            backlog.close()
            behind = {"Redis, which does not answer": ""}
        if not behind:
            return []
        if behind != before:
            before, deadline = behind, time.monotonic() + patience_s
        elif time.monotonic() > deadline:
            return sorted(behind)
        await asyncio.sleep(_POLL_S)


def _fields(flat: Sequence[Any]) -> dict[bytes, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
