"""Ingestion: brings the rows of sources into their replicas.

Definitions of pipelines and the rows of their sources come in. Replicas with those rows go out, and
runs in the ledger that say which rows they are, and what is guaranteed. It does not know scripts,
builds or the command line.
"""
