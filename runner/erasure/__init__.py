"""Erasure: removes rows, such as a person's, from a replica and from all that remembers them.

A pipeline and values of its columns come in; counts of what was erased go out, and a full build of
the live tables. It does not know how rows are loaded, nor what the tables built from them hold.
"""
