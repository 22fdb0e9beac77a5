"""Are the symbols' filters in the configuration those of the venue?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from app.collector.backoff import Backoff
from app.collector.metrics import CollectorMetrics
from app.core.errors import Misconfigured, Retryable
from app.core.logging import get_logger
from app.market.instruments import Instrument
from app.venues.reference import Reference, differences

log = get_logger(__name__)

_FIRST_BACKOFF_S: Final = 0.5


async def check_reference(
    fetch: Callable[[], Awaitable[dict[str, Reference]]],
    instruments: Sequence[Instrument],
    metrics: CollectorMetrics,
    *,
    retry_max_s: float,
) -> None:
    """Ask the venue until it answers; report every filter that differs.

    Raises:
        Misconfigured: the venue does not list one of the symbols.
    """
    backoff = Backoff(first_s=_FIRST_BACKOFF_S, most_s=retry_max_s, seed="reference")
    while True:
        try:
            found = await fetch()
            break
        except Retryable as error:
            delay = backoff.next()
            log.warning("filters not compared with the venue's yet", error=str(error), again_in_s=round(delay, 2))
            await asyncio.sleep(delay)
    unlisted = [instrument.symbol for instrument in instruments if instrument.symbol not in found]
    if unlisted:
        raise Misconfigured(
            f"the venue does not list {', '.join(unlisted)}; correct shard.symbols, or collector.rest_url if it is "
            "another venue's"
        )
    for instrument in instruments:
        for field, (ours, theirs) in differences(instrument, found[instrument.symbol]).items():
            metrics.mismatches.labels(instrument.symbol).inc()
            log.warning(
                "filter differs from the venue's; correct symbols_file",
                symbol=instrument.symbol,
                filter=field,
                configured=str(ours),
                venue=str(theirs),
            )
