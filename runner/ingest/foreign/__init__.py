"""Sources in other databases and in files, read through foreign tables.

What comes in is an address and a table there; what goes out is a foreign table here that a pipeline
reads like any other source. It does not know pipelines, windows or replicas.
"""
