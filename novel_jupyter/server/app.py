"""The Jupyter server extension: settings as traits, and the hub's beginning and end.

Law: every setting is a trait with help that says its unit; the README's table is made from them. Traits are
read once, at start, into `Config`.
Parts: `NovelApp`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, CaselessStrEnum, Dict, Float, Int, List, Unicode, default

from novel_jupyter import __version__
from novel_jupyter.core.limits import Bounds
from novel_jupyter.core.model import DEFAULT_SETTINGS, Settings

from . import collector
from .bus import Bus
from .config import Config
from .events_log import Log
from .hub import Hub
from .identity import CLIENT_SLOT, HUB_SLOT, KernelTokens
from .page import HANDLERS as PAGE_HANDLERS
from .ports import Store, StoreUnavailable
from .rest import HANDLERS
from .rest_access import HANDLERS as ACCESS_HANDLERS
from .rest_guests import HANDLERS as GUEST_HANDLERS
from .rest_host import HANDLERS as HOST_HANDLERS
from .service_client import ServiceClient
from .socket import NovelSocket
from .stores import Settings as StoreSettings
from .stores import described, open_store
from .stories import Stories

_B, _C = Bounds(), Config()
STORE_RETRY = 1.0
"""Seconds between attempts to reach a store that is away when the server starts."""


class NovelApp(ExtensionApp):
    """Multiplayer story sessions."""

    name = "novel_jupyter"
    app_version = __version__
    extension_url = "/novel/api/stories"
    load_other_extensions = True
    _opening: asyncio.Task[None] | None = None

    # --- where things are
    store = Unicode(
        help="URL of the store: sqlite:///path, redis://, rediss://, redis+cluster://host:port,host:port, "
        "redis+sentinel://host:port,host:port/name. Default: the environment's NOVEL_JUPYTER_STORE (which is "
        "then taken out of it, for kernels inherit the rest), else novel_jupyter/sessions.db in Jupyter's "
        "data folder."
    ).tag(config=True)
    wait_replicas = Int(
        0,
        min=0,
        help="Strict mode of a Redis store: how many replicas must have a change before it is acknowledged.",
    ).tag(config=True)
    wait_timeout = Float(1.0, min=0.05, help="Seconds to wait for those replicas.").tag(config=True)
    keep_entries = Int(
        0,
        min=0,
        help="Events kept of each session, beside a snapshot on which they follow; older ones can be neither "
        "read nor gone back to. 0: all.",
    ).tag(config=True)
    synchronous = CaselessStrEnum(
        ["FULL", "NORMAL"],
        "FULL",
        help="FULL: what was acknowledged survives a power cut. NORMAL: only a killed process, but faster.",
    ).tag(config=True)
    model = Unicode(
        "",
        help="What the agents of new kernels think with, 'provider:model' (they find it as "
        "NOVEL_JUPYTER_MODEL). Empty: the offline storyteller, unless a notebook says otherwise.",
    ).tag(config=True)
    story_folders = List(Unicode(), help="Folders with more stories (<name>.yaml) to offer.").tag(config=True)

    # --- sessions
    turn_policy = CaselessStrEnum(
        ["immediate", "round", "vote"],
        "round",
        help="How new sessions lock a turn, unless their creator says.",
    ).tag(config=True)
    collect_timeout = Float(
        0.0, min=0, help="Seconds from a turn's first proposal to its lock in new sessions; 0: none."
    ).tag(config=True)
    understudy_after = Float(
        DEFAULT_SETTINGS["understudy_after"],
        min=0,
        help="Seconds after which the agent plays for an absent owner.",
    ).tag(config=True)
    review = Bool(False, help="Whether new sessions wait after each turn until a director accepts it.").tag(
        config=True
    )
    default_role = CaselessStrEnum(
        ["player", "spectator", "none"],
        "player",
        help="The role of somebody who joins by the session's id. 'none': only whom the owner lets in.",
    ).tag(config=True)

    # --- limits
    max_frame_bytes = Int(
        _B.frame_bytes, min=1024, help="Largest frame of a client, in bytes (too_large)."
    ).tag(config=True)
    max_json_depth = Int(_B.json_depth, min=4, help="Deepest nesting of a frame's JSON (too_deep).").tag(
        config=True
    )
    max_patch_ops = Int(_B.patch_ops, min=1, max=512, help="Operations of one edit (too_large).").tag(
        config=True
    )
    max_chat_chars = Int(
        _B.chat_chars, min=1, max=4000, help="Characters of a chat message (too_large)."
    ).tag(config=True)
    max_state_bytes = Int(
        _B.state_bytes, min=16384, help="A session's state as JSON, in bytes (state_full)."
    ).tag(config=True)
    max_participants = Int(_B.participants, min=1, help="People of one session (session_full).").tag(
        config=True
    )
    max_sessions = Int(_B.sessions, min=1, help="Sessions in memory at once (too_many).").tag(config=True)
    max_sessions_per_connection = Int(
        _B.sessions_per_connection, min=1, help="Sessions on one socket (too_many)."
    ).tag(config=True)
    max_connections_per_user = Int(
        _B.connections_per_user, min=1, help="Open sockets of one user (too_many)."
    ).tag(config=True)
    max_in_flight = Int(
        _B.in_flight, min=1, help="Commands of a socket that wait for an answer (in_flight)."
    ).tag(config=True)
    frames_per_second = Float(
        _C.frames_per_second, min=1, help="Frames a second from one socket, for ever (rate)."
    ).tag(config=True)
    frames_burst = Float(_C.frames_burst, min=1, help="Frames at once from one socket (rate).").tag(
        config=True
    )
    commands_per_second = Float(
        _C.commands_per_second, min=1, help="Commands a second of a user in a session (rate)."
    ).tag(config=True)
    commands_burst = Float(
        _C.commands_burst, min=1, help="Commands at once of a user in a session (rate)."
    ).tag(config=True)
    creates_per_second = Float(
        _C.creates_per_second, min=0.01, help="Sessions a second that one user may create, for ever (rate)."
    ).tag(config=True)
    creates_burst = Float(
        _C.creates_burst, min=1, help="Sessions that one user may create at once (rate)."
    ).tag(config=True)

    # --- sockets and memory
    tick = Float(_C.tick, min=0.001, help="Seconds between flushes of a socket's outbox.").tag(config=True)
    cursor_interval = Float(_C.cursor_interval, min=0.02, help="Seconds between broadcasts of cursors.").tag(
        config=True
    )
    stream_interval = Float(
        _C.stream_interval, min=0.001, help="Seconds between frames of prose that is being streamed."
    ).tag(config=True)
    outbox_bytes = Int(
        _C.outbox_bytes, min=65536, help="Bytes that may wait for one socket before it is resynced."
    ).tag(config=True)
    outbox_frames = Int(
        _C.outbox_frames, min=16, help="Batches that may wait for one socket before it is resynced."
    ).tag(config=True)
    stall_timeout = Float(
        _C.stall_timeout, min=0.1, help="Seconds a socket may take nothing before it is closed (4002)."
    ).tag(config=True)
    ping_interval = Float(_C.ping_interval, min=0.1, help="Seconds between pings of a socket.").tag(
        config=True
    )
    pong_timeout = Float(
        _C.pong_timeout, min=0.2, help="Seconds without any sign of life before a close (4005)."
    ).tag(config=True)
    presence_grace = Float(
        _C.presence_grace, min=0, help="Seconds in which a lost connection can come back unnoticed."
    ).tag(config=True)
    lease_timeout = Float(
        _C.lease_timeout, min=0, help="Seconds without its kernel after which a lease is lost."
    ).tag(config=True)
    idle_timeout = Float(
        _C.idle_timeout, min=0, help="Seconds without people after which a session leaves memory."
    ).tag(config=True)
    reconnect_after = Float(
        _C.reconnect_after, min=0, help="Seconds that clients of a draining server should wait."
    ).tag(config=True)
    snapshot_every = Int(
        _C.snapshot_every, min=10, help="Events between snapshots of a session, or up to half more."
    ).tag(config=True)
    ring_events = Int(
        _C.ring_events, min=1, help="Latest events of a session that are kept in memory for deltas."
    ).tag(config=True)
    ring_bytes = Int(_C.ring_bytes, min=65536, help="Bytes of latest events kept in memory for deltas.").tag(
        config=True
    )
    node_beat = Float(
        _C.node_beat,
        min=0.1,
        help="Seconds between a server's signs of life to the others; one silent for three is gone.",
    ).tag(config=True)
    head_check = Float(
        _C.head_check,
        min=0.1,
        help="Seconds after which a session compares itself with the store, though nothing was announced; "
        "with a SQLite file only where another program wrote to it.",
    ).tag(config=True)
    public_url = Unicode("", help="This server's address, as `novel-jupyter doctor` shows it.").tag(
        config=True
    )
    kernel_token_lifetime = Float(
        _C.kernel_token_lifetime, min=10, help="Seconds that a kernel's token is good for."
    ).tag(config=True)

    # --- who, on a JupyterHub
    recheck_interval = Float(
        _C.recheck_interval,
        min=0,
        help="Seconds within which an open socket is asked again who it is and whether it may; 0: never.",
    ).tag(config=True)
    require_ticket = Bool(
        _C.require_ticket,
        help="Whether the sockets of people who are logged in by a cookie need a ticket, as those of guests "
        "do: for an origin that is shared with pages of others.",
    ).tag(config=True)
    scope_roles = Dict(
        value_trait=CaselessStrEnum(["director", "player", "spectator", "none"]),
        key_trait=Unicode(),
        default_value=dict(_C.scope_roles),
        help="Scope of the Hub → what it lets somebody in as; '' is for who has none of them.",
    ).tag(config=True)
    kernel_scope = Unicode(
        _C.kernel_scope, help="Scope of the Hub that a single-user server needs to vouch for its kernels."
    ).tag(config=True)
    service_urls = List(
        Unicode(),
        help="Replicas of the service that keeps the sessions in this server's stead; default: "
        "NOVEL_JUPYTER_SERVICE_URL, separated by commas.",
    ).tag(config=True)

    @default("service_urls")
    def _service_urls(self) -> list[str]:
        said = os.environ.get("NOVEL_JUPYTER_SERVICE_URL", "")
        return [url.strip() for url in said.split(",") if url.strip()]

    def config_record(self) -> Config:
        """The traits as the record that everything below reads."""
        bounds = Bounds(
            frame_bytes=self.max_frame_bytes,
            json_depth=self.max_json_depth,
            patch_ops=self.max_patch_ops,
            chat_chars=self.max_chat_chars,
            state_bytes=self.max_state_bytes,
            participants=self.max_participants,
            sessions=self.max_sessions,
            sessions_per_connection=self.max_sessions_per_connection,
            connections_per_user=self.max_connections_per_user,
            in_flight=self.max_in_flight,
        )
        settings: Settings = {
            "turn_policy": self.turn_policy,
            "collect_timeout": self.collect_timeout or None,
            "understudy_after": self.understudy_after,
            "review": self.review,
            "default_role": self.default_role,
        }
        given = {field.name for field in fields(Config)} - {"bounds", "default_settings"}
        values: dict[str, Any] = {name: getattr(self, name) for name in given if self.has_trait(name)}
        return Config(bounds=bounds, default_settings=settings, **values)

    def initialize_handlers(self) -> None:
        self.handlers.extend([*HANDLERS, *ACCESS_HANDLERS, *GUEST_HANDLERS, *HOST_HANDLERS, *PAGE_HANDLERS])
        self.handlers.append((r"/novel/api/ws", NovelSocket))

    @default("store")
    def _default_store(self) -> str:
        told = os.environ.pop("NOVEL_JUPYTER_STORE", "")
        return told or f"sqlite:///{Path(jupyter_data_dir()) / 'novel_jupyter' / 'sessions.db'}"

    def store_settings(self) -> StoreSettings:
        return StoreSettings(
            self.store, self.synchronous, self.keep_entries, self.wait_replicas, self.wait_timeout
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Called by Jupyter once its loop runs: only now can the store be opened."""
        if self.model:
            os.environ["NOVEL_JUPYTER_MODEL"] = self.model
        config, log = self.config_record(), Log(self.log)

        def key_of(kernel_id: str) -> bytes | None:
            manager = serverapp.kernel_manager
            if kernel_id not in manager:
                return None
            key: bytes | None = getattr(getattr(manager.get_kernel(kernel_id), "session", None), "key", None)
            return key or None

        tokens = KernelTokens(key_of, config.kernel_token_lifetime)
        if self.service_urls:
            server_token = os.environ.get("JUPYTERHUB_API_TOKEN", "")
            client = ServiceClient(self.service_urls, server_token, tokens, log)
            client.start()
            serverapp.web_app.settings[CLIENT_SLOT] = client
            log.info("started", service=",".join(client.urls), version=__version__)
            return
        begin = partial(self._begin, serverapp, config, log, tokens)
        try:
            begin(*await open_store(self.store_settings()))
        except StoreUnavailable as error:
            log.failure("store", error)
            self._opening = asyncio.create_task(self._begin_later(begin, log))

    async def _begin_later(self, begin: Callable[[Store, Bus, list[str]], None], log: Log) -> None:
        """The store is away: requests hear 503 until it comes."""
        while True:
            await asyncio.sleep(STORE_RETRY)
            try:
                store, bus, warnings = await open_store(self.store_settings())
                try:
                    return begin(store, bus, warnings)
                except BaseException:
                    await bus.close()
                    await store.close()
                    raise
            except Exception as error:  # whatever it is: requests would hear 503 for ever, and nobody why
                log.failure("store", error)

    def _begin(
        self,
        serverapp: ServerApp,
        config: Config,
        log: Log,
        tokens: KernelTokens,
        store: Store,
        bus: Bus,
        warnings: list[str],
    ) -> None:
        for warning in warnings:
            self.log.warning("novel_jupyter: %s", warning)
        hub = Hub(store, bus, config, log, tokens, Stories([Path(folder) for folder in self.story_folders]))
        hub.start()
        collector.calm()
        serverapp.web_app.settings[HUB_SLOT] = hub
        told = described(self.store)
        log.info("started", store=told, node=bus.node, pid=os.getpid(), version=__version__)

    async def stop_extension(self) -> None:
        """Drain: everybody is told, what was asked is finished, the store is closed."""
        if self._opening is not None:
            self._opening.cancel()
        if self.serverapp is not None:
            hub: Hub | None = self.serverapp.web_app.settings.pop(HUB_SLOT, None)
            if hub is not None:
                await hub.drain()
            client: ServiceClient | None = self.serverapp.web_app.settings.pop(CLIENT_SLOT, None)
            if client is not None:
                await client.close()
