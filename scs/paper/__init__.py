"""What only the paper needs: its simulations, data sets, tables, and the ledger of verdicts."""
