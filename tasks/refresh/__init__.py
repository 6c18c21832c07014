"""The stage that stores refresh targets, and the refresher that reads them from the provider."""
