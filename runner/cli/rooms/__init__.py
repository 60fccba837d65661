"""The commands that the core does without: they can be deleted, with the rooms that they call."""
