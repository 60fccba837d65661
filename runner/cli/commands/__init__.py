"""One file a command, or a group of commands: parse, call, show. What it does is said by its help.
Each is imported only when its command is asked for, so --help stays quick.
"""
