"""Nearest neighbours: engines without policy, and the files that they are kept in."""
