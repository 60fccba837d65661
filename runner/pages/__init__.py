"""Pages that people open in a browser: the dashboard and the documentation of a project.

What comes in are reports, the catalogue and a project's cards; what goes out is one HTML file that
makes no requests, or a diagram in DBML. It does not know ingestion or builds.
"""
