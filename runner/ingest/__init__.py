"""Ingestion: brings the rows of sources into their replicas.

Definitions of pipelines and rows of their sources come in; replicas go out, and runs in the ledger
that say what is guaranteed of them. It runs no scripts: it only asks which of them read a
column that was dropped. It does not know the command line.
"""
