"""Verifies many files: names, processes with limits, and results that a later run goes on from."""
