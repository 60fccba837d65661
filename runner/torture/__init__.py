"""Torture: a test, on any server, that ingestion loses and doubles no row under load and crashes.

What comes in are a server, a duration and numbers of writers; what goes out is a count of rows that
were lost, doubled or stale. It does not know the tables of any project: it creates its own.
"""
