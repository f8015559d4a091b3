"""The WebSocketManager of a FastAPI application, as it is often sketched: a set of sockets for each session,
and `send_text` to one after the other.

Law: what such a sketch leaves out to run at all is filled in (the datetime, whom to leave out); nothing else.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from novel_jupyter.bench.refs.ending import end_with_starter


class WebSocketManager:
    def __init__(self) -> None:
        self.active_connections: dict[str, set[WebSocket]] = {}
        self.users: dict[WebSocket, str] = {}

    async def connect(self, websocket: WebSocket, session_id: str, user_id: str) -> None:
        await websocket.accept()
        self.active_connections.setdefault(session_id, set()).add(websocket)
        self.users[websocket] = user_id

    async def disconnect(self, websocket: WebSocket, session_id: str) -> None:
        self.active_connections[session_id].discard(websocket)
        self.users.pop(websocket, None)

    async def broadcast_to_session(
        self, session_id: str, message: dict[str, Any], exclude_user: str | None = None
    ) -> None:
        message_json = json.dumps(message)
        disconnected = set()
        for websocket in list(self.active_connections[session_id]):
            if self.users.get(websocket) == exclude_user:
                continue
            try:
                await websocket.send_text(message_json)
            except (RuntimeError, WebSocketDisconnect):
                disconnected.add(websocket)
        for websocket in disconnected:
            self.active_connections[session_id].discard(websocket)


app = FastAPI()
manager = WebSocketManager()


@app.websocket("/ws/{session_id}/{user_id}")
async def websocket_endpoint(websocket: WebSocket, session_id: str, user_id: str) -> None:
    await manager.connect(websocket, session_id, user_id)
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            if message.get("type") == "user_cursor":
                said = {
                    "type": "user_cursor",
                    "user_id": user_id,
                    "position": message.get("position"),
                    "timestamp": datetime.now(UTC).replace(tzinfo=None).isoformat(),
                }
                await manager.broadcast_to_session(session_id, said, exclude_user=user_id)
    except WebSocketDisconnect:
        await manager.disconnect(websocket, session_id)


if __name__ == "__main__":
    end_with_starter()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
