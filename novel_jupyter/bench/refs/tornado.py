"""Bare Tornado: one `write_message` to each of the others. The floor."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from tornado.web import Application
from tornado.websocket import WebSocketHandler

from novel_jupyter.bench.refs.ending import end_with_starter

ROOMS: dict[str, set[Room]] = {}


class Room(WebSocketHandler):
    def get_compression_options(self) -> dict[str, Any] | None:
        return None

    def open(self, *args: str, **kwargs: str) -> None:
        self.set_nodelay(True)
        self.room = args[0]
        ROOMS.setdefault(self.room, set()).add(self)

    def on_message(self, message: str | bytes) -> None:
        for member in ROOMS[self.room]:
            if member is not self:
                member.write_message(message)

    def on_close(self) -> None:
        ROOMS[self.room].discard(self)


async def main(port: int) -> None:
    Application([(r"/ws/([^/]+)/[^/]+", Room)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    end_with_starter()
    asyncio.run(main(int(sys.argv[1])))
