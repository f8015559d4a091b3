"""Peers that are silent and peers that do not read (R80-R83): nobody else notices, and they may come back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median

import httpx
import pytest
from chaos.conftest import PEOPLE, WATCHERS, Chaos
from chaos.crew import aboard
from chaos.oracle import check_answers, check_log, check_readers
from chaos.proxy import Proxy
from chaos.server import BrokenServer
from server.wire import PROTOCOL, Message, headers_of
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket
from websockets.typing import Subprotocol

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

BLOCK = "x" * 60_000
SILENCE = 1.2 + 0.3 + 0.3
"""Seconds after which who is silent has left: a ping, its answer, and the grace of `lasting`."""


@pytest.mark.asyncio
async def test_a_line_that_swallows_everything(
    lasting: BrokenServer, chaos: Chaos, figure: Callable[[str], None]
) -> None:
    """Half-open on both sides: the server gives up on them, and they find back with what they had said."""
    async with (
        Proxy(lasting.port, chaos.seed) as good,
        Proxy(lasting.port, chaos.seed) as bad,
        aboard([lasting], PEOPLE, chaos.seed, [good.port, bad.port]) as (session, crew),
    ):
        gone: set[str] = set()
        cut_off = {name for n, name in enumerate(PEOPLE) if n % 2}
        left = asyncio.Event()

        def leave(frame: Message) -> None:
            gone.add(frame["data"]["user"]["user_id"])
            if gone >= cut_off:
                left.set()

        crew.handles["ada"].on("left", leave)  # type: ignore[arg-type]
        crew.start()
        for _ in range(4 if chaos.is_long else 1):
            await crew.more(20)
            gone.clear()
            left.clear()
            bad.swallow()
            await asyncio.wait_for(left.wait(), SILENCE + 2)
            await crew.more(20)  # those at the good line go on
            bad.heal()
            await crew.all_heard(cut_off)  # who is not back cannot leave again
        await crew.more(20)
        await crew.stop()
        story = await check_readers(lasting.store_url, session, crew)
        check_log(story, crew.ours)
        check_answers(story, crew)
        assert gone == cut_off
        figure(f"{crew.acknowledged} acknowledged, {crew.lost} connections lost and found")


@asynccontextmanager
async def stalled(server: BrokenServer, session: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    """Clients that join and then read nothing, with buffers as small as they come."""
    async with AsyncExitStack() as stack:
        found = []
        for n in range(count):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            raw.connect(("127.0.0.1", server.port))
            raw.setblocking(False)
            peer = await stack.enter_async_context(
                websocket(
                    f"ws://127.0.0.1:{server.port}/novel/api/ws",
                    sock=raw,
                    subprotocols=[Subprotocol(PROTOCOL)],
                    additional_headers=headers_of(server, "stalled"),
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    max_queue=1,
                    close_timeout=0.1,
                )
            )
            await peer.send(
                f'{{"type":"join_session","session_id":"{session}","id":"s{n}:join","data":{{}}}}'
            )
            found.append(peer)
        yield found
        for peer in found:
            peer.transport.abort()


async def closes(server: BrokenServer, *codes: int) -> int:
    """How many sockets the server closed with these codes."""
    headers = {"Authorization": f"token {server.admin_token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
        lines = (await http.get(f"{server.url}metrics")).text.splitlines()
    wanted = tuple(f'novel_jupyter_closes_total{{code="{code}"}}' for code in codes)
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith(wanted))


@pytest.mark.asyncio
async def test_one_in_twenty_reads_nothing(
    lasting: BrokenServer, chaos: Chaos, figure: Callable[[str], None]
) -> None:
    """They are closed (4002, or 4005 where no ping comes back either); the others lose nothing."""
    people, silent = (38, 2) if chaos.is_long else (19, 1)
    names = (*PEOPLE, *WATCHERS)[:people]
    async with aboard([lasting], names, chaos.seed) as (session, crew):
        crew.start(1)
        await crew.more(40)
        before, already = len(crew.waits), await closes(lasting, 4002, 4005)
        async with stalled(lasting, session, silent):
            ada = crew.handles["ada"]
            while await closes(lasting, 4002, 4005) < already + silent:
                await ada.edit([{"op": "add", "path": "/notes/long", "value": BLOCK}])
            await crew.more(40)
        await crew.stop()
        story = await check_readers(lasting.store_url, session, crew)
        check_log(story, crew.ours)
        check_answers(story, crew)
        assert crew.lost == 0, "no neighbour's socket ended"
        first, then = median(crew.waits[:before]), median(crew.waits[before:])
        figure(
            f"{silent} stalled of {people + silent}, all closed; {crew.acknowledged} acknowledged, "
            f"median wait {first * 1000:.0f} ms before, {then * 1000:.0f} ms meanwhile"
        )
