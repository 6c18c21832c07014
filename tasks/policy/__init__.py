"""The stage that judges an event's target by the control policies."""
