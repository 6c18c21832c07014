"""The stage that decides, by an Automate datastore, what an event sets in motion."""
