"""Losses of what pictures look like."""
