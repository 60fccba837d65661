"""Testing: SQL before it goes live, by a parser and by cases of given and expected rows.

What comes in are the scripts of a project and its cases; what goes out are findings, and rows that
differ. It does not know the live tables: cases run in schemas of their own, and are rolled back.
"""
