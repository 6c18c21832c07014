"""The stage that opens incidents and asks for their notifications."""
