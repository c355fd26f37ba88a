"""What only the book needs: its chapters, run, stored and held against the code."""
