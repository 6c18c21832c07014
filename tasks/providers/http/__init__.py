"""The generic provider: events of any service that answers with JSON over HTTP, by configuration alone."""
