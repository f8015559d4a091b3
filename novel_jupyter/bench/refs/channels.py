"""Django Channels with the in-memory layer on uvicorn: a group for each session, and `group_send` to it.

Law: the layer's capacity is raised, as it drops messages beyond it without a word.
"""

from __future__ import annotations

import sys
from typing import Any

import django
import uvicorn
from django.conf import settings

from novel_jupyter.bench.refs.ending import end_with_starter

settings.configure(
    SECRET_KEY="only for measuring on loopback",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 100_000}}
    },
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402  # reads the settings
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class Room(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["session"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        said = {"type": "said", "text": text_data, "by": self.channel_name}
        await self.channel_layer.group_send(self.room, said)

    async def said(self, event: dict[str, Any]) -> None:
        if event["by"] != self.channel_name:
            await self.send(text_data=event["text"])


app = ProtocolTypeRouter({"websocket": URLRouter([path("ws/<session>/<user>", Room.as_asgi())])})

if __name__ == "__main__":
    end_with_starter()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
