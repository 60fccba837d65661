"""Pages: what people open in a browser, the dashboard and the documentation of a project.

What comes in are rows, the catalogue and a project's cards; what goes out is one file of HTML, or a
drawing, that asks nobody for anything. It does not know ingestion or builds.
"""
