"""Torture: a stress test of ingestion, with crashes, on a server of your own.

What comes in are a server, a duration and numbers of writers; what goes out are counts of rows that
were lost, duplicated or stale. It does not know the tables of any project: it creates its own.
"""
