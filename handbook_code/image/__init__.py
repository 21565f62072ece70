"""Losses between two images."""
