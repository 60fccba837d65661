"""Milepost: SQL scripts, run in the order that a manifest declares, each build one version."""
