"""Ingestion: brings the rows of sources into their replicas.

What comes in are the definitions of pipelines and the rows of their sources; what goes out are
replicas that hold those rows, and runs in the ledger that say which, and what is guaranteed. It
does not know scripts, builds or people.
"""
