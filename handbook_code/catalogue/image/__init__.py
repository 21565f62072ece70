"""Entries of the losses between images."""
"""Entries of the losses of pictures."""
