"""No entries: what a bottleneck computes is learnt, not written down."""
