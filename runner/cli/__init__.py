"""The command line: all that talks to people.

It takes arguments and signals, and gives words, tables, JSON and an exit code. It does not know how
the work is done: it calls the engines and shows what they return.
"""
