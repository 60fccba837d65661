"""One file a command, or a group of commands. Each is imported only when its command is asked for,
so --help stays quick.
"""
