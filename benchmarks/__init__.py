"""Speed, measured side by side in one run: Catchment and a plain Celery chain on the same machine."""
