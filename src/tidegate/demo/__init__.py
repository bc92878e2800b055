"""The whole loop on the New York flights of 2013, in a real git repository with a real remote and a local forge."""
