"""What a build would run, and what it would do, before it does.

A manifest and a target come in. The SQL of the pending build goes out, or what was seen of a build
that was tried and rolled back: rows, locks, times and plans. It does not know the command line.
"""
