"""pycrdt-websocket on uvicorn: a room for each path; awareness is relayed to everybody in it.

Law: rooms are opened one at a time: two clients that open the same one at once wait for each other for ever.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
from pycrdt.websocket import ASGIServer, WebsocketServer

from novel_jupyter.bench.refs.ending import end_with_starter


async def main(port: int) -> None:
    rooms, opening = WebsocketServer(auto_clean_rooms=False), asyncio.Lock()

    async def on_connect(message: dict[str, Any], scope: dict[str, Any]) -> bool:
        async with opening:
            await rooms.get_room(scope["path"])
        return False

    app = ASGIServer(rooms, on_connect=on_connect)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    async with rooms:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    end_with_starter()
    asyncio.run(main(int(sys.argv[1])))
