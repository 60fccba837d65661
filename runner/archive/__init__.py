"""Months of replicas that go into files, so that the database holds what is still read.

A month comes in; a file of its rows goes out, and then the rows. It does not know scripts, but asks
a build's checks whether the facts of these rows are all there. It does not know the command line.
"""
