"""The documentation of a project's tables: a page, or a diagram in DBML."""
