"""What only the book needs: its chapters, run, stored and held against the code."""

from scs.data.extras import need

need("the book", "book", "altair", "jupytext", "nbformat", "papermill", "yaml")
