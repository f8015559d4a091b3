"""The authority as a JupyterHub service: stories, and nothing else that a Jupyter server can do.

Law: nobody runs code, reads files or opens a terminal where the sessions are kept; what is not needed for
stories is refused, whoever asks. People are who the Hub says they are.
Parts: `StoriesOnly` (the authorizer), `main` (`python -m novel_jupyter.server.hub_service`: the service's
command).
"""

from __future__ import annotations

import os
import sys
from typing import Final

from jupyter_server.auth import Authorizer, User
from jupyter_server.base.handlers import JupyterHandler

ALLOWED: Final = frozenset(
    {("novel_jupyter", "read"), ("novel_jupyter", "write"), ("novel_jupyter", "execute")}
)
"""What a person may do at the service. `/api/me` asks for no right; everything else is refused."""

SETTINGS: Final = (
    "--ServerApp.authorizer_class=novel_jupyter.server.hub_service.StoriesOnly",
    "--ServerApp.allow_unauthenticated_access=False",
    "--ServerApp.jpserver_extensions=novel_jupyter=True",
    "--ServerApp.terminals_enabled=False",
    "--ServerApp.allow_root=True",
    "--ServerApp.default_url=/novel/login",
    # Who loses a right is refused by REST, too, before long.
    "--HubAuth.cache_max_age=30",
)


class StoriesOnly(Authorizer):
    """Allows the extension's own resource and refuses every other one."""

    def is_authorized(self, handler: JupyterHandler, user: User, action: str, resource: str) -> bool:
        return (resource, action) in ALLOWED


def main() -> None:
    """Become `jupyterhub-singleuser` with this extension alone. Arguments are passed on and come last."""
    os.environ["JUPYTERHUB_SINGLEUSER_APP"] = "jupyter-server"
    os.environ["JUPYTERHUB_SINGLEUSER_LOAD_OTHER_EXTENSIONS"] = "0"
    command = [sys.executable, "-m", "jupyterhub.singleuser", *SETTINGS, *sys.argv[1:]]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
