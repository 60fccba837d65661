"""How results look: builds and ingests as they happen, runs and plans as they were recorded.
Comes in: what an engine returned, or rows of the ledger; goes out: lines and tables of a terminal.
The core needs `build` and `ingest`; the others can be deleted with the commands that call them.
"""
