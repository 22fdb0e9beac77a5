"""Keeping streams short without ever passing a reader, and knowing how far behind readers are."""

from collections.abc import Sequence
from typing import Any

from app.bus.wire import Wire, pack
from app.messages.streams import Streams

# Every group of a loop records, with each snapshot, the newest entry that snapshot contains; a recovery reads what
# comes after. So entries up to the least of these are safe to drop, and a group without a record keeps everything.
# The count of what one group has not read yet comes along (Redis 6 does not report it).
_TRIM = """
local function above(a, b)
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  am, as, bm, bs = tonumber(am), tonumber(as), tonumber(bm), tonumber(bs)
  return am > bm or (am == bm and as > bs)
end
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, 0} end
local least, lag = nil, 0
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local name, delivered = nil, nil
  for i = 1, #group, 2 do
    if group[i] == 'name' then name = group[i + 1] end
    if group[i] == 'last-delivered-id' then delivered = group[i + 1] end
  end
  if name == ARGV[1] then
    lag = #redis.call('XRANGE', KEYS[1], '(' .. delivered, '+', 'COUNT', ARGV[2])
  end
  local floor = redis.call('HGET', KEYS[2], KEYS[1] .. '|' .. name)
  if not floor then floor = '0-0' end
  if least == nil or above(least, floor) then least = floor end
end
local dropped = 0
if least ~= nil and least ~= '0-0' then dropped = redis.call('XTRIM', KEYS[1], 'MINID', '~', least) end
return {dropped, lag}
"""

_LAG_CAP = 10_000
_UNREAD_KEEP = 10_000


async def trim(wire: Wire, streams: Streams, inputs: Sequence[str], group: str) -> dict[str, int]:
    """Trim `inputs` to what their slowest reader may still need; return how many entries `group` has not read.

    The count is capped at 10,000. Streams that may have no reader are cut to their newest 10,000 entries instead.
    """
    commands = [pack("EVAL", _TRIM, 2, stream, streams.floors, group, _LAG_CAP) for stream in inputs]
    commands += [_cut_unread(stream, streams) for stream in streams.unread]
    replies = await wire.call(b"".join(commands), len(commands))
    return {stream: int(reply[1]) for stream, reply in zip(inputs, replies, strict=False)}


def _cut_unread(stream: str, streams: Streams) -> bytes:
    script = (
        "if redis.call('EXISTS', KEYS[1]) == 0 or #redis.call('XINFO', 'GROUPS', KEYS[1]) > 0 then return 0 end "
        "return redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])"
    )
    return pack("EVAL", script, 1, stream, _UNREAD_KEEP)


async def longest(wire: Wire, outputs: Sequence[str]) -> int:
    """Entries in the longest of `outputs`, 0 if there are none."""
    if not outputs:
        return 0
    replies: list[Any] = await wire.call(b"".join(pack("XLEN", stream) for stream in outputs), len(outputs))
    return max(int(reply) for reply in replies)
