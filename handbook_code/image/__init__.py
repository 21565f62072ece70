"""Losses between two images."""
"""Losses of what pictures look like."""
