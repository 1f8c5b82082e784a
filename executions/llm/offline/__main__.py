"""``python -m executions.llm.offline``: see ``server.py``."""

from executions.llm.offline.server import main

main()
