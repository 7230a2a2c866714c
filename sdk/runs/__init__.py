"""Training runs: what went in, what came out, what it cost, and who vouches for it."""
