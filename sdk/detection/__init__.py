"""Signed detection results: who looked at which bytes, with what, when, and what was found."""
