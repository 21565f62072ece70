"""No entries: the density is learnt, its likelihood is tried in the tests."""
