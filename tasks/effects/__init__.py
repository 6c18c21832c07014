"""What is done to the outside world: one file an action, all through the effects ledger."""
