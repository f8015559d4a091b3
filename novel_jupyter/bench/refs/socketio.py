"""python-socketio on uvicorn: a room for each session, and `emit` to it."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from socketio import ASGIApp, AsyncServer

from novel_jupyter.bench.refs.ending import end_with_starter

server = AsyncServer(async_mode="asgi", transports=["websocket"])


@server.event
async def join(sid: str, room: str) -> None:
    await server.enter_room(sid, room)
    await server.save_session(sid, {"room": room})


@server.event
async def say(sid: str, data: Any) -> None:
    session = await server.get_session(sid)
    await server.emit("say", data, room=session["room"], skip_sid=sid)


if __name__ == "__main__":
    end_with_starter()
    app = ASGIApp(server)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
