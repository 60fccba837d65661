"""The documentation of a project's tables.

What comes in are the catalogue of the database, the ledger, and the texts of scripts, views and
cards; what goes out is one HTML page that makes no requests, or a diagram in DBML. It does not
know the rows of the tables, except for how many there are.
"""
