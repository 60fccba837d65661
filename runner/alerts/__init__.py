"""Alerts: sends each problem that `status` finds once, and once more when it is over.

The problems of a target come in; messages to a command, a webhook or a mailbox, rows of
orchestrator.alerts, metrics and spans go out. It does not know how problems are found.
"""
