"""Preview: what a build would run, and what it would do.

What comes in are a manifest and a target; what goes out is the SQL of the pending build, or the
rows, locks, times and plans of one that was rolled back. It does not know the command line.
"""
