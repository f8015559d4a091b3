"""The kernel's half: a client of the session, the host of its agents, and what a notebook's author writes.

Law: a kernel is one more client. It sees its view, sends commands, and believes the server; nothing here
decides what is true. Everything is asyncio on the loop that is there, so that cells stay free while turns
run.
Parts: `replica` and `outbound` (pure), `access` and `discovery` (who am I, where is my server),
`connection`, `client` and `handle` (one socket, many sessions), `host` (runs the agents), `api` and `magics`
(the notebook's words).
"""
