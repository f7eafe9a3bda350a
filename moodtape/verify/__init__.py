"""An account of every record between topics and tables, with code of its own.

Nothing here knows how the stages or the sinks work: it reads what is in the topics and in the tables and says
what is missing, what is there twice and what differs. It shares only the contract (``schemas``) with them.
"""
