"""What the commands show that look at what was recorded: runs, plans, what a pipeline covers. The
core does without it, so it can be deleted with the commands in `rooms`.
"""
