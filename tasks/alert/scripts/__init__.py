"""Script actions: sections of ``actions/*.conf``, each of which runs a script on the events that it names."""
