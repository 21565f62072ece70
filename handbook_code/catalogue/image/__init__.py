"""Entries of the losses of pictures."""
