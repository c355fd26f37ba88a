"""A table of any kind to a `Design`: named numeric columns, outcome, cluster codes, labels."""
