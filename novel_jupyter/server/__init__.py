"""The Jupyter server process: stores, sockets, handlers, identity. The authority over every session."""
