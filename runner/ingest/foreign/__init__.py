"""Sources in other databases and in files, read through foreign tables.

An address and the name of a table come in; a foreign table goes out, which a pipeline reads like
any other source. It does not know how windows are chosen, nor
replicas.
"""
