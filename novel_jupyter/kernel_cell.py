"""Running code in a kernel of a Jupyter server, as a notebook would: over that server's own API.

Law: only kernels that were started here are ended here. What a cell prints or raises comes back as text for
the person who ran it, and goes nowhere else.
Parts: `start_kernel`, `shut_down_kernel`, `Cell`.
"""

from __future__ import annotations

import json
import uuid
from types import TracebackType
from typing import Any, Self

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect


class CellFailed(RuntimeError):
    """The code raised; the message is the kernel's own report."""


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"token {token}"}


async def start_kernel(url: str, token: str) -> str:
    """Start a Python kernel and return its id."""
    request = HTTPRequest(f"{url}api/kernels", "POST", _headers(token), body=json.dumps({"name": "python3"}))
    response = await AsyncHTTPClient().fetch(request)
    kernel_id: str = json.loads(response.body)["id"]
    return kernel_id


async def shut_down_kernel(url: str, token: str, kernel_id: str) -> None:
    request = HTTPRequest(f"{url}api/kernels/{kernel_id}", "DELETE", _headers(token))
    await AsyncHTTPClient().fetch(request, raise_error=False)


class Cell:
    """`async with Cell(url, token, kernel_id) as cell: await cell.run("1 + 1")`."""

    def __init__(self, url: str, token: str, kernel_id: str) -> None:
        self._request = HTTPRequest(
            f"ws{url.removeprefix('http')}api/kernels/{kernel_id}/channels", headers=_headers(token)
        )
        self._socket: WebSocketClientConnection | None = None
        self._session = uuid.uuid4().hex

    async def __aenter__(self) -> Self:
        self._socket = await websocket_connect(self._request)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            self._socket.close()

    async def run(self, code: str) -> str:
        """Run one cell; returns what it printed. Raises CellFailed."""
        assert self._socket is not None
        id = uuid.uuid4().hex
        header = {
            "msg_id": id,
            "msg_type": "execute_request",
            "username": "",
            "session": self._session,
            "version": "5.3",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "user_expressions": {},
            "allow_stdin": False,
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
            "buffers": [],
        }
        await self._socket.write_message(json.dumps(message))
        printed: list[str] = []
        failed: str | None = None
        waited_for = {"idle", "reply"}
        while waited_for:
            text = await self._socket.read_message()
            if text is None:
                raise CellFailed("the kernel's connection was lost")
            if isinstance(text, bytes):
                continue
            reply: dict[str, Any] = json.loads(text)
            if reply.get("parent_header", {}).get("msg_id") != id:
                continue
            kind, content = reply["header"]["msg_type"], reply["content"]
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                failed = f"{content['ename']}: {content['evalue']}"
            elif kind == "status" and content["execution_state"] == "idle":
                # What is printed comes on another channel than the reply, and may come after it.
                waited_for.discard("idle")
            elif kind == "execute_reply":
                waited_for.discard("reply")
                if content["status"] != "ok":
                    failed = failed or str(content.get("evalue", content["status"]))
        if failed is not None:
            raise CellFailed(failed)
        return "".join(printed)
