"""Servers that a Python user would pick instead, each as small as its own documentation has it.

Law: one file is one server: `python -m novel_jupyter.bench.refs.<name> PORT` on loopback. It relays what one
member of a session says to the others, stores nothing, and checks nobody.
"""
