"""The database: sessions, locks, errors, the ledger, and which server to use.

What comes in are addresses, SQL and values; what goes out are rows, counts and errors that a person
can act on. It does not know what a pipeline, a manifest or a command is.
"""
