"""Compares tables: those of two targets, or of one with what a rebuild from scratch gives.

What comes in are a manifest and targets that were built; what goes out are the rows that differ
and, where that is asked for, one commit that publishes the rebuilt ones. It does not know how rows
came into the replicas, nor who is watching.
"""
