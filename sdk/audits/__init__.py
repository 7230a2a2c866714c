"""Bias audits: estimators measure pictures, statistics work on counts, a report says what is known.

The three layers never mix.  Values are perceived presentation, as a viewer would describe a
picture; nothing here classifies race, and nothing says that a model is fair.
"""
