"""The command line, the only part that prints, asks or exits.

Arguments and signals come in; text, tables, JSON and an exit code go out. It does not know how the
work is done: it calls the other packages and shows what they return.
"""
