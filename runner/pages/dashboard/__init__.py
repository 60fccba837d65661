"""The dashboard of a project: one HTML file that makes no requests.

What comes in are the cards in dashboard/ and the rows that they read from the reports; what goes
out is the page, as a file or over HTTP on this machine, or a list of problems of the cards. It
does not know how the reports are built, and computes no metric.
"""
