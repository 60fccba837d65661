"""Setup: schemas, roles, new projects and pipelines, CSV files, demo data, pruning.

What comes in are a project's DDL, a folder or a CSV file; what goes out are tables to ingest from
and to build into. It does not know the ingests and builds that follow.
"""
