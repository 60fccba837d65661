"""Archiving: moves old months of replicas out of the database, into files.

A pipeline and a month come in; a CSV file of each month goes out, whose rows are then dropped. It
does not know the command line, and of builds only the checks that the facts keep these rows.
"""
