"""Setup: schemas, new projects and pipelines, CSV files, demo data.

What comes in are a project's DDL, a folder or a CSV file; what goes out are tables to ingest from
and to build into. It does not know what runs afterwards.
"""
