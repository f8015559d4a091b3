"""A provider that speaks OpenAI's chat completions over real HTTP on loopback, and answers as a script says.

Law: what goes over the wire is what any such provider sends: JSON for an answer, server-sent events for a
stream, HTTP statuses for a refusal. It decides nothing; it notes who asked what with which key, and when a
client hung up.
Parts: `Provider`, `Status`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kernel.modelling import Asked, Script
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

COUNTED = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
"""What the provider counts for every answer."""


class Status(Exception):
    """Raised by a script: an HTTP error, whose text may hold `{key}`: what the client sent as its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class _Completions(RequestHandler):
    def initialize(self, provider: Provider) -> None:
        self.provider = provider
        self.working: asyncio.Task[None] | None = None

    async def post(self) -> None:
        provider = self.provider
        provider.keys.append(self.request.headers.get("Authorization", "").removeprefix("Bearer "))
        body = json.loads(self.request.body)
        provider.bodies.append(body)
        self.working = asyncio.create_task(self._stream(body) if body.get("stream") else self._answer(body))
        try:
            await self.working
        except asyncio.CancelledError:
            provider.hung_up.set()
        except Status as status:
            self.set_status(status.status)
            self.finish({"error": {"message": status.text.replace("{key}", provider.keys[-1]), "code": "x"}})
        except ConnectionError:
            self.detach().close()

    def on_connection_close(self) -> None:
        if self.working is not None:
            self.working.cancel()

    async def _answer(self, body: dict[str, Any]) -> None:
        response = await self.provider.script.chosen(_asked(body))
        self.finish(
            {
                "id": "c1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [_choice(response)],
                "usage": COUNTED,
            }
        )

    async def _stream(self, body: dict[str, Any]) -> None:
        self.set_header("Content-Type", "text/event-stream")
        with contextlib.suppress(StreamClosedError):
            async with contextlib.aclosing(self.provider.script.told(_asked(body))) as told:
                async for text in told:
                    await self._event(body, {"role": "assistant", "content": text})
                    self.provider.sent.append(text)
            await self._event(body, {}, "stop")
            if body.get("stream_options", {}).get("include_usage"):
                await self._event(body, None)
            self.write("data: [DONE]\n\n")
            self.finish()

    async def _event(
        self, body: dict[str, Any], delta: dict[str, Any] | None, finish: str | None = None
    ) -> None:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
        event = {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": body["model"],
            "choices": choices,
            "usage": COUNTED if delta is None else None,
        }
        self.write(f"data: {json.dumps(event)}\n\n")
        await self.flush()


class Provider:
    """`keys` and `bodies`: what clients sent; `sent`: what was streamed; `hung_up`: a client went away before
    its answer was whole.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.keys: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.sent: list[str] = []
        self.hung_up = asyncio.Event()
        routes = [("/v1/chat/completions", _Completions, {"provider": self})]
        self._http = HTTPServer(Application(routes, log_function=lambda _: None))
        sockets = bind_sockets(0, "127.0.0.1")
        self._http.add_sockets(sockets)
        self.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/v1"

    @staticmethod
    @asynccontextmanager
    async def of(script: Script) -> AsyncIterator[Provider]:
        found = Provider(script)
        try:
            yield found
        finally:
            found._http.stop()
            await found._http.close_all_connections()


def _asked(body: dict[str, Any]) -> Asked:
    said = {message["role"]: message["content"] for message in body["messages"]}
    tools = body.get("tools") or [{"function": {"name": ""}}]
    return Asked(said["system"], said["user"], tools[0]["function"]["name"])


def _choice(response: ModelResponse) -> dict[str, Any]:
    calls = [
        {
            "id": f"call{n}",
            "type": "function",
            "function": {"name": part.tool_name, "arguments": part.args_as_json_str()},
        }
        for n, part in enumerate(response.parts)
        if isinstance(part, ToolCallPart)
    ]
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart)) or None
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = calls
    finish = response.finish_reason or ("tool_calls" if calls else "stop")
    return {"index": 0, "message": message, "finish_reason": finish}
