"""Engines that keep vectors and find the nearest of them, behind one contract; no policy."""
