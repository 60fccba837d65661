"""Repairs of what was loaded: backfill, reconcile and undo; and the removal of pipelines.

A pipeline comes in, with a range, a run or nothing; the committed runs go out, none of which moves
a watermark. It does not know scripts, builds or the command line.
"""
