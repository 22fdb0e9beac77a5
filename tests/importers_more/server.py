"""A real HTTP server in a thread, whose behaviour a test sets."""

import asyncio
import hashlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Shelf:
    """What lies at one address: its content and how the server hands it out.

    `cuts`: the connection is cut after so many bytes of an answer, one number an answer, the first ones first.
    """

    content: bytes
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    pause_s: float = 0.0
    says_length: bool = True

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), headers={"Retry-After": "0"})
        start = self._start(request)
        if start is not None and start >= len(self.content):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(self.content)}"})
        response = web.StreamResponse(status=200 if start is None else 206)
        if self.etag is not None:
            response.headers["ETag"] = self.etag
        if self.modified is not None:
            response.headers["Last-Modified"] = self.modified
        if start is not None:
            last = len(self.content) - 1
            response.headers["Content-Range"] = f"bytes {start}-{last}/{len(self.content)}"
        body = self.content[start or 0 :]
        if self.says_length:
            response.content_length = len(body)
        await response.prepare(request)
        await self._send(request, response, body)
        return response

    def _start(self, request: web.Request) -> int | None:
        """Where to begin: the Range, if the If-Range still holds."""
        said = request.headers.get("Range")
        if said is None or not self.ranges:
            return None
        held = request.headers.get("If-Range", "")
        if held.startswith("W/") or held not in (self.etag, self.modified):
            return None
        return int(said.removeprefix("bytes=").removesuffix("-"))

    async def _send(self, request: web.Request, response: web.StreamResponse, body: bytes) -> None:
        cut = self.cuts.pop(0) if self.cuts else None
        for at in range(0, len(body) if cut is None else cut, 10_000):
            await response.write(body[at : min(at + 10_000, len(body) if cut is None else cut)])
            await asyncio.sleep(self.pause_s)
        if cut is not None:
            assert request.transport is not None
            request.transport.close()


class Server:
    """Shelves by path; every request is noted as (path, Range)."""

    def __init__(self) -> None:
        self.shelves: dict[str, Shelf] = {}
        self.requests: list[tuple[str, str]] = []
        self.redirects: dict[str, str] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def put(self, path: str, content: bytes, *, checksum: str | None = None) -> Shelf:
        """Lay `content` at `path`, with a checksum file unless `checksum` is empty; its digest may be given."""
        self.shelves[path] = Shelf(content)
        digest = hashlib.sha256(content).hexdigest() if checksum is None else checksum
        if digest:
            self.shelves[path + ".CHECKSUM"] = Shelf(f"{digest}  {path.rpartition('/')[2]}\n".encode())
        return self.shelves[path]

    def asked(self, path: str) -> list[str]:
        """The Range of each request for `path`."""
        return [said for of, said in self.requests if of == path]

    async def _start(self) -> str:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, request.headers.get("Range", "")))
        if request.path in self.redirects:
            return web.Response(status=302, headers={"Location": self.redirects[request.path]})
        if request.path not in self.shelves:
            return web.Response(status=404, text="nothing here")
        return await self.shelves[request.path].answer(request)
