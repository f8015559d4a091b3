"""JupyterHub with novel_jupyter: one place decides, everybody's server is only a client.

Law: the sessions are kept by a service that runs nobody's code. What it alone may know (the address and
password of a Redis) is in its environment and in no other. Nothing here authenticates anybody or starts
servers: add your Authenticator and a Spawner that gives each user an account, a container or a pod of their
own. Without that, users can read each other's files, and no story is the worst of it.
Parts: the service (and its replicas), who may do what, the users' servers.
"""

import os
import sys

c = get_config()  # noqa: F821 - JupyterHub defines it

# --- the service --------------------------------------------------------------------------------------------

# One authority is enough for hundreds of people. Two or more share one Redis and may be restarted in turn.
FIRST_PORT = int(os.environ.get("NOVEL_JUPYTER_PORT", "10101"))
REPLICAS = int(os.environ.get("NOVEL_JUPYTER_REPLICAS", "1"))
NAMES = ["novel" if n == 0 else f"novel-{n + 1}" for n in range(REPLICAS)]

# "" is a SQLite file; replicas need "redis://:password@host/0" or one of its kin.
STORE = os.environ.pop("NOVEL_JUPYTER_STORE", "")

DIRECT, PLAY, WATCH, KERNEL = (
    f"custom:novel_jupyter:{right}" for right in ("direct", "play", "watch", "kernel")
)
RIGHTS = [DIRECT, PLAY, WATCH]

c.JupyterHub.services = [
    {
        "name": name,
        "url": f"http://127.0.0.1:{FIRST_PORT + n}",
        "command": [sys.executable, "-m", "novel_jupyter.server.hub_service"],
        "environment": {"NOVEL_JUPYTER_STORE": STORE},
        "oauth_no_confirm": True,
        "oauth_client_allowed_scopes": RIGHTS,
    }
    for n, name in enumerate(NAMES)
]

# --- who may do what ----------------------------------------------------------------------------------------

# Each holds the next: who is moved from the players to the audience keeps the login, and watches. Who is
# moved up logs in anew, since a login never gains rights.
c.JupyterHub.custom_scopes = {
    DIRECT: {"description": "Direct story sessions: join them as a director", "subscopes": [PLAY]},
    PLAY: {"description": "Play in story sessions, and begin new ones", "subscopes": [WATCH]},
    WATCH: {"description": "Watch story sessions"},
    KERNEL: {"description": "Let the kernels of one's own server host stories"},
}

ACCESS = [f"access:services!service={name}" for name in NAMES]

# Members of these groups may use the service. To let in everybody, give these scopes to the role "user".
c.JupyterHub.load_roles = [
    {"name": "story-directors", "groups": ["directors"], "scopes": [*ACCESS, DIRECT, KERNEL]},
    {"name": "story-players", "groups": ["players"], "scopes": [*ACCESS, PLAY, KERNEL]},
    {"name": "story-audience", "groups": ["audience"], "scopes": [*ACCESS, WATCH]},
]

# --- the users' servers -------------------------------------------------------------------------------------

# Where kernels and servers reach the service; browsers use the path of it on the Hub's own address.
c.Spawner.environment = {
    "NOVEL_JUPYTER_SERVICE_URL": ",".join(
        f"http://127.0.0.1:{FIRST_PORT + n}/services/{name}/" for n, name in enumerate(NAMES)
    ),
}

# A server's own token lets its kernels ask for a name at the service ("kernel:<user>:<id>"), as long as its
# user may. It must not have "access:services": with that, every kernel could act as its user.
c.Spawner.server_token_scopes = ["users:activity!user", "access:servers!server", KERNEL, *RIGHTS]
