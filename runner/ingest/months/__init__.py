"""Replicas in partitions by month, and rows of months that were archived.

A replica's definition comes in; what goes out are tables for months, and the condition that says in
which of them a row can be. It does not know files, scripts or the command line.
"""
