"""The database: sessions, locks, errors, the ledger, and which server to use.

SQL and values come in; rows, counts and errors that people can act on go out. It does not know what
a manifest or a command is.
"""
