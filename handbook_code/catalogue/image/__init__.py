"""Entries of the losses between images."""
