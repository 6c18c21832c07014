"""Plain types, states, errors and the clock: the words that every floor shares."""
