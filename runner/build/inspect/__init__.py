"""What can be told of the SQL of a build without running it for its result: which tables it reads,
by a parser and by the functions that it calls, and how the server plans it.

In come rendered texts and sessions; out go names of tables and plans. A build asks where a text is
new, or where plans are to be kept, and does without where this is not installed. It does not know
what a build decides.
"""
