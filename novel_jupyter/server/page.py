"""The plain page: a document with nothing of anybody's in it, and the files that draw it.

Law: what a page shows is asked for by its script, with the identity of who looks; the document says only
where the server is and which session is meant, so it is the same for everybody and for every id. Its policy
lets in nothing but this server's own files. Files are asked for with their version, and may be kept for ever.
Parts: `PageHandler`, `LobbyHandler`, `FilesHandler`, `POLICY`, `HANDLERS`.
"""

from __future__ import annotations

from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, Final

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, StaticFileHandler, authenticated

import novel_jupyter

from .identity import IdentityMixin

FILES: Final = Path(novel_jupyter.__file__).parent / "static"
FOR_EVER: Final = 365 * 24 * 3600
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",  # of the same origin, WebSockets too
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
NOT_BUILT: Final = "This page's files are not built: run <code>make face</code> in the source folder."
DOCUMENT: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Story</title>
<link rel="stylesheet" href="{page_css}">
<link rel="stylesheet" href="{novel_css}">
<script type="module" src="{page_js}"></script>
</head>
<body data-base-url="{base_url}" data-session-id="{session_id}">
<div id="novel"></div>
<noscript>{no_script}</noscript>
</body>
</html>
"""


def document(base_url: str, session_id: str, files: Path = FILES) -> str:
    """The page of a session (or, with an empty id, of one's sessions) of the server at `base_url`."""
    if not (files / "page.js").is_file():
        return f"<!doctype html><html lang='en'><title>Story</title><p>{NOT_BUILT}</p></html>\n"
    links = {
        name.replace(".", "_"): escape(
            url_path_join(base_url, "novel/static", name) + f"?v={_version(files / name)}"
        )
        for name in ("page.css", "novel.css", "page.js")
    }
    return DOCUMENT.format(
        base_url=escape(base_url),
        session_id=escape(session_id),
        no_script="A story is live: this page needs JavaScript.",
        **links,
    )


def _version(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest()[:16]


class _Page(IdentityMixin):
    def show(self, session_id: str) -> None:
        if self.client_of is not None:
            # The sessions are kept by a service; its page is on the address that the browser is at.
            here = f"novel/s/{session_id}" if session_id else "novel/"
            return self.redirect(url_path_join(self.client_of.paths[0], here))
        self.xsrf_token  # noqa: B018 - reading it sets the cookie that the page's requests answer with
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        self.finish(document(self.base_url, session_id))


class PageHandler(_Page):
    """A session. Open to all: who has neither login nor invite is told so by the page."""

    @allow_unauthenticated
    def get(self, session_id: str) -> None:
        self.show(session_id)


class LobbyHandler(_Page):
    """One's own sessions."""

    @authenticated
    def get(self) -> None:
        self.show("")


class FilesHandler(StaticFileHandler, JupyterHandler):
    """The built files: the same for everybody, so no login is asked for."""

    @allow_unauthenticated
    async def get(self, path: str, include_body: bool = True) -> None:
        if "/" in path or path.startswith("."):
            raise HTTPError(404)
        await super().get(path, include_body)

    @allow_unauthenticated
    async def head(self, path: str) -> None:
        await self.get(path, include_body=False)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("X-Content-Type-Options", "nosniff")

    def get_cache_time(self, path: str, modified: Any, mime_type: str) -> int:
        """Seconds. What is asked for with its version, or has it in its name, never changes."""
        return FOR_EVER if self.get_argument("v", "") or path.startswith("chunk-") else 0


HANDLERS: list[tuple[Any, ...]] = [
    (r"/novel/s/([0-9a-f]{32})", PageHandler),
    (r"/novel/?", LobbyHandler),
    (r"/novel/static/(.+)", FilesHandler, {"path": str(FILES)}),
]
