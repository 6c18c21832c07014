"""How it runs: the Celery application and its settings, the processes, the command line and the pages."""
