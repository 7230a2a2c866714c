"""How good a model is, in numbers that name what measured them, and in pictures."""
