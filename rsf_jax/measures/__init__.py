"""Functions of arrays that say how good something is: losses, scores, times."""
