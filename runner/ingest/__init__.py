"""Ingestion: brings the rows of sources into their replicas.

Definitions of pipelines and rows of their sources come in; replicas go out, and runs in the ledger
that say what is guaranteed of them. It does not know scripts, builds or the command line.
"""
