"""Compare: the tables of two targets, or of one target with a rebuild from scratch.

What comes in are a manifest and targets that were built; what goes out are the rows that differ
and, on request, one commit that publishes the rebuilt ones. It does not know how rows came into the
replicas, nor who is watching.
"""
