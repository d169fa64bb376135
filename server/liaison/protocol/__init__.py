"""The wire: names, limits, errors, close codes, typed frames and their codec (PROTOCOL.md is the norm).

`names`, `limits`, `errors` and `close_codes` are plain Python, because the bot SDK takes them without the server's
dependencies. `frames` and `codec` need msgspec and belong to the server. Nothing here does I/O or reads a clock.
"""
