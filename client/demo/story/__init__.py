"""The story of the demo, told through the public API alone."""
