"""Inspect: what the SQL of a build reads, and how the server plans it. Optional for a build.

What comes in are rendered texts and sessions; what goes out are names of tables, and plans. It does
not know what a build decides.
"""
