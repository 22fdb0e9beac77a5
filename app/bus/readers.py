"""Readers that are no service, such as the recorder of a run, and giving them up once they have gone.

Trimming passes no group, and writers wait for the slowest. That is right for a service that is down: it comes back
for what it has not handled. A recorder whose launcher was killed does not; waited for, it would stop the pipeline as
soon as a stream has `bus.max_stream_entries`. So readers sign a register now and then, and a service that has been
connected for `bus.reader_gone_s` gives those up who did not sign for as long and have no connection either. Who is
merely slow, or stopped for a while, has one.
"""

from app.bus.recovery import connections
from app.bus.wire import Wire
from app.core.logging import get_logger
from app.messages.streams import Streams

log = get_logger(__name__)

_NOW = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) "
_SIGN = _NOW + "return 1 - redis.call('HSET', KEYS[1], ARGV[1], string.format('%d', now))"
_SILENT = (
    _NOW
    + """
local register, silent = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #register, 2 do
  if now - register[i + 1] > tonumber(ARGV[1]) then
    table.insert(silent, register[i])
    table.insert(silent, register[i + 1])
  end
end
return silent
"""
)
# ARGV[2] is the signature as it was seen: who has signed since is not given up.
_STRIKE_OFF = """
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
for i = 3, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('XGROUP', 'DESTROY', KEYS[i], ARGV[1]) end
  redis.call('HDEL', KEYS[2], KEYS[i] .. '|' .. ARGV[1])
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""


def client_name(streams: Streams, group: str) -> str:
    """What the connection of the one consumer of `group` is called."""
    return f"aviary:{group}:{streams.shard}"


async def sign(wire: Wire, streams: Streams, group: str) -> bool:
    """Note that the reader of `group` is there; return whether it was in the register before."""
    return bool(await wire.command("EVAL", _SIGN, 1, streams.readers, group))


async def strike_off(wire: Wire, streams: Streams, group: str, *, signed: bytes = b"") -> bool:
    """Destroy `group` with all that is kept for it, unless its reader has signed since `signed`."""
    names = (streams.readers, streams.floors, *streams.all())
    return bool(await wire.command("EVAL", _STRIKE_OFF, len(names), *names, group, signed))


async def strike_off_gone(wire: Wire, streams: Streams, *, after_s: float) -> None:
    """Strike off every reader that did not sign for `after_s` and has no connection."""
    silent = await wire.command("EVAL", _SILENT, 1, streams.readers, round(after_s * 1000))
    for raw, signed in zip(silent[::2], silent[1::2], strict=True):
        group = raw.decode()
        if await connections(wire, client_name(streams, group)):
            continue
        if await strike_off(wire, streams, group, signed=signed):
            log.warning("a reader has gone and is no longer waited for", group=group)
