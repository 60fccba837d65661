"""The command line: everything that knows a person.

What comes in are arguments and signals; what goes out are words, tables, JSON and an exit code. It
does not know how the work is done: it calls the engines and shows what they return.
"""
