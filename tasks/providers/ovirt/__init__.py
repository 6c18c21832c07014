"""oVirt and Red Hat Virtualization: the engine's events, and how its notifications become events of ours."""
