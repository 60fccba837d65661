"""Repairs of what is loaded already: backfill, reconcile, undo, and pipelines that go.

A pipeline comes in, with a range, a run or nothing. The runs that were committed go out; none of
them moves a watermark. It does not know scripts, builds or the command line.
"""
