"""The stage that asks a provider for what happened and stores it before acknowledging."""
