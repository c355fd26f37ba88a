"""Eq. 5 and Eq. 6 as pure functions of moments; side constraints; splines."""
