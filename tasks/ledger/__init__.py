"""The database tables of events, decisions, effects and failures, and the queries that go with them."""
