"""Builds: run the scripts of a project, so that readers see a new version of its tables.

What comes in are a manifest, a target and the positions of its replicas; what goes out are tables
that passed their checks, in one commit, and a result for each script. It does not know how rows
came into the replicas, nor who is watching.
"""
