"""Demonstrations on real data, each in a project folder of its own."""
