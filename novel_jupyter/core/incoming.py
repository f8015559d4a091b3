"""Reading what a client sent.

Law: whatever is wrong with a frame becomes a refusal that names the field; nothing else is raised. Size and
depth are bounded before (see `limits`).
Parts: `parse` (text → message, or `Refused`), `CommandId`, `digest`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json, to_json

from .errors import Refused
from .frozen import frozen
from .messages import CLIENT, TYPES, ClientMessage


@frozen
class CommandId:
    """`<client_id>:<n>`: client_id is random per page load or client object, n counts its commands from 1."""

    client_id: str
    n: int

    CLIENT: ClassVar[re.Pattern[str]] = re.compile(r"[A-Za-z0-9._:-]{1,100}")
    NUMBER: ClassVar[re.Pattern[str]] = re.compile(r"[1-9][0-9]{0,14}")

    @classmethod
    @lru_cache(maxsize=1024)  # on its way to an answer a command is asked for it several times
    def parse(cls, text: str | None) -> CommandId:
        """Raises Refused `id_required` or `bad_id`."""
        if text is None:
            raise Refused("id_required")
        client_id, _, n = text.rpartition(":")
        if not (cls.CLIENT.fullmatch(client_id) and cls.NUMBER.fullmatch(n)):
            raise Refused("bad_id")
        return cls(client_id, int(n))

    def __str__(self) -> str:
        return f"{self.client_id}:{self.n}"


def digest(message: ClientMessage) -> str:
    """What a command says, but for its envelope: the same id with another digest is `id_reused`."""
    return blake2b(message.type.encode() + to_json(message.data), digest_size=12).hexdigest()


def parse(text: str | bytes) -> ClientMessage:
    """One frame. Raises Refused `bad_json`, `unknown_type` or `invalid`, with `id` and `session_id` where
    they could be read.

    Size and depth are bounded before (see `limits`); this is the place where wrong shapes get their words.
    """
    try:
        return CLIENT.validate_json(text)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
    try:
        raw = from_json(text)
    except ValueError:
        raise Refused("bad_json") from None
    if not isinstance(raw, dict):
        raise Refused("bad_json")
    known: dict[str, JsonValue] = {
        key: raw[key]
        for key in ("id", "session_id")
        if isinstance(raw.get(key), str) and len(raw[key]) <= 128
    }
    if raw.get("type") not in TYPES:
        raise Refused("unknown_type", f"type is one of {', '.join(TYPES)}", **known)
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"][1:])[:200]
    raise Refused(
        "invalid", f"{where or 'message'}: {first['msg'][:200]}", field=where, problems=len(problems), **known
    )
