"""Starting and recovering, which are one thing: the last snapshot, and everything handled since fed again.

A hand-over acknowledges entries in stream order, so what a group has handled is a prefix of what it was given: all
up to the entry before its oldest pending one.
"""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from app.bus import entries
from app.bus.types import Core, RefeedOutbox
from app.bus.wire import RedisRefused, Wire, pack
from app.core.errors import BadInput, Misconfigured
from app.core.logging import get_logger
from app.messages.streams import Streams

log = get_logger(__name__)

_PAGE = 500
START = "0-0"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A core's state and, for each input, the newest entry that state contains."""

    service: str
    positions: dict[str, str]
    core: bytes


_decoder = msgspec.msgpack.Decoder(Snapshot)


def pack_snapshot(streams: Streams, service: str, positions: dict[str, str], core: Core) -> tuple[bytes, int]:
    """The packed commands that save `core`, and how many they are."""
    snapshot = Snapshot(service=service, positions=positions, core=core.snapshot())
    floors = [part for stream, entry in positions.items() for part in (f"{stream}|{service}", entry)]
    commands = [pack("SET", streams.snapshot(service), msgspec.msgpack.encode(snapshot))]
    if floors:
        commands.append(pack("HSET", streams.floors, *floors))
    return b"".join(commands), len(commands)


async def ensure_groups(wire: Wire, group: str, inputs: Sequence[str]) -> None:
    """Create `group` at the beginning of each input that does not have it yet."""
    for stream in inputs:
        try:
            await wire.command("XGROUP", "CREATE", stream, group, "0", "MKSTREAM")
        except RedisRefused as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


async def connections(wire: Wire, name: str) -> list[str]:
    """The connections called `name`, as CLIENT LIST describes them."""
    clients = (await wire.command("CLIENT", "LIST")).decode()
    return [line for line in clients.splitlines() if f" name={name} " in line]


async def claim_name(wire: Wire, name: str) -> None:
    """Make sure that no other process serves under `name`.

    Raises:
        Misconfigured: one does. Two would share a group's entries and each have half a state.
    """
    holders = await connections(wire, name)
    if len(holders) > 1:
        address = next((word for line in holders for word in line.split() if word.startswith("addr=")), "")
        raise Misconfigured(
            f"another process already serves as {name} on this Redis ({address}); stop it, or give this one another "
            "shard.id"
        )


async def handled_until(wire: Wire, stream: str, group: str) -> str:
    """The newest entry of `stream` that `group` has handled, as an exclusive upper bound.

    ``(id`` bounds from above where entries are pending; a plain id is the last one delivered.
    """
    summary = await wire.command("XPENDING", stream, group)
    if summary and int(summary[0]):
        return "(" + str(summary[1].decode())
    for info in await wire.command("XINFO", "GROUPS", stream):
        fields = dict(zip(info[::2], info[1::2], strict=True))
        if fields[b"name"].decode() == group:
            return str(fields[b"last-delivered-id"].decode())
    return START


async def recover(wire: Wire, streams: Streams, service: str, core: Core) -> tuple[dict[str, str], int, bool]:
    """Bring a fresh `core` to the state after the last acknowledged hand-over.

    Returns the newest handled entry of each input, the number of entries fed again, and whether there was a
    snapshot to start from.

    Raises:
        Misconfigured: there is a snapshot, but of another version or configuration.
    """
    blob = await wire.command("GET", streams.snapshot(service))
    positions: dict[str, str] = {}
    if blob is not None:
        snapshot = _restore(blob, streams.snapshot(service), core)
        positions = {stream: at for stream, at in snapshot.positions.items() if stream in core.inputs}
    refed = 0
    for stream in core.inputs:
        until = await handled_until(wire, stream, service)
        positions[stream], count = await _refeed(wire, core, stream, positions.get(stream, START), until)
        refed += count
    return positions, refed, blob is not None


def _restore(blob: bytes, key: str, core: Core) -> Snapshot:
    try:
        snapshot = _decoder.decode(blob)
        core.restore(snapshot.core)
    except Exception as error:
        # Another layout may fail in any way. Beginning without the state could forget open positions; that is a
        # person's decision.
        raise Misconfigured(
            f"the state saved in Redis under {key} cannot be used: {type(error).__name__}: {error}. Run the version "
            f"and configuration that wrote it, or give it up with `redis-cli DEL '{key}'`"
        ) from error
    return snapshot


async def _refeed(wire: Wire, core: Core, stream: str, after: str, until: str) -> tuple[str, int]:
    out, count = RefeedOutbox(), 0
    if until == START:
        return after, count
    while True:
        page = await wire.command("XRANGE", stream, f"({after}", until, "COUNT", _PAGE)
        for raw_id, fields in page:
            after = raw_id.decode()
            delivery = entries.decode(stream, after, fields, out)
            # What was refused then is refused now; it was dead-lettered then.
            with suppress(BadInput):
                if delivery is not None:
                    core.advance(delivery, out)
            count += 1
        if len(page) < _PAGE:
            return after, count
