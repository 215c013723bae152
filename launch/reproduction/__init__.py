"""The paper's tables, row by row: what is to be run, what has been, and a page of both."""
