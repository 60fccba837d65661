"""The documentation of a project's tables: a page, a drawing, or dbdiagram's language."""
