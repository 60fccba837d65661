"""The commands of rooms, which the core does without: they can be deleted with them."""
