"""Rows to sufficient statistics: one pass, mergeable with +, from arrays, files and Dask."""
