"""Project: the manifest, the graph of its scripts, templates, targets and other files.

What comes in is a folder; what goes out are scripts in their order, and rendered text. It does not
know the database: no statement runs here.
"""
