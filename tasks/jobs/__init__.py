"""Jobs of the site: their files, what starts them, and how they run on agents (spec orchestrate 9 to 11)."""
