"""The commands, one file each: parse, call, show. The help text of a command is its documentation.

Options come in; what the called package returns goes out as text or JSON. A command does not know
how the work is done. It is imported only when it is called, so --help stays fast.
"""
