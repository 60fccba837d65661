"""Alerts: what `status` finds, told once to whoever should know, and told again when it is over.

In come the problems of a target; out go messages to a command, a webhook or a mailbox, rows in
orchestrator.alerts, and metrics for a collector. It does not know how problems are found.
"""
