"""Shows results: builds and ingests as they happen, runs and plans as they were recorded.

Results of the other packages and rows of the ledger come in; lines, tables and JSON go out. It does
not know which command asked: `build` and `ingest` serve the core, the others single commands.
"""
