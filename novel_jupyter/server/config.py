"""The server's settings as one frozen record, made from the traits of `NovelApp` (whose help texts say more).

Law: nothing below the application reads a trait; every bound that the server enforces is in here or in
`Bounds`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.model import DEFAULT_SETTINGS, Settings
from novel_jupyter.core.policy import Entry

SCOPE_ROLES: Mapping[str, Entry] = {
    "custom:novel_jupyter:direct": "director",
    "custom:novel_jupyter:play": "player",
    "custom:novel_jupyter:watch": "spectator",
}


@dataclass(frozen=True, slots=True)
class Config:
    """Times in seconds, sizes in bytes."""

    bounds: Bounds = field(default_factory=Bounds)
    default_settings: Settings = field(default_factory=lambda: DEFAULT_SETTINGS)
    tick: float = 0.005
    timer: float = 0.25
    cursor_interval: float = 0.05
    stream_interval: float = 0.04
    outbox_bytes: int = 1024 * 1024
    outbox_frames: int = 4096
    stall_timeout: float = 15.0
    ping_interval: float = 20.0
    pong_timeout: float = 45.0
    presence_grace: float = 5.0
    lease_timeout: float = 5.0
    idle_timeout: float = 60.0
    reconnect_after: float = 1.0
    frames_per_second: float = 200.0
    frames_burst: float = 400.0
    commands_per_second: float = 100.0
    commands_burst: float = 200.0
    creates_per_second: float = 2.0
    creates_burst: float = 300.0
    snapshot_every: int = 500
    ring_events: int = 2000
    ring_bytes: int = 4 * 1024 * 1024
    kernel_token_lifetime: float = 600.0
    node_beat: float = 2.0
    head_check: float = 5.0
    public_url: str = ""
    recheck_interval: float = 60.0
    require_ticket: bool = False
    kernel_scope: str = "custom:novel_jupyter:kernel"
    scope_roles: Mapping[str, Entry] = field(default_factory=lambda: dict(SCOPE_ROLES))
