"""A reference ends with whoever started it, however that ended.

Law: the starter holds the other end of our standard input; when that is closed, nobody needs us any more.
Parts: `end_with_starter`.
"""

from __future__ import annotations

import os
import sys
import threading


def end_with_starter() -> None:
    """Watch from now on, in a thread that sleeps."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
