"""Erasure: takes rows of a person out of a replica, and out of all that remembers them.

What comes in are a pipeline and values of its columns; what goes out are counts of what is gone. It
does not know how rows come in, nor what tables are built from them: it has those filled anew.
"""
