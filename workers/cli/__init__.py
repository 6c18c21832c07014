"""The catchment command."""
