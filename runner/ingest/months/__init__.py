"""Replicas that are partitioned by month, and rows of months that were archived.

The definition of a pipeline comes in; partitions go out, and the condition that says which of them
a row can be in. It does not know files, scripts or the command line.
"""
