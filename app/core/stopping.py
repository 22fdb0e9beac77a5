"""Waiting that ends when one is told to stop."""

import asyncio


async def sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but not past the moment `stop` is set."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
