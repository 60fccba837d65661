"""The dashboard: cards of a project, drawn from the reporting schema into one file."""
