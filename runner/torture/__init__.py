"""Torture: the proof, on a server of one's own, that no row is lost or doubled under fire.

What comes in are a server, a time and a number of writers; what goes out is a count of rows that
were lost, doubled or stale. It does not know the tables of any project: it makes its own.
"""
