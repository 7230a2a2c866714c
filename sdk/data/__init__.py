"""Data sets: from pictures with papers to arrays that a trainer reads, and nothing unaccounted."""
