"""Programs that stand in for a site's surroundings: a simulated cloud to try Catchment on."""
