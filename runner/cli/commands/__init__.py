"""One file a command, or a group of commands. What is heavy is imported inside them: --help stays
quick.
"""
