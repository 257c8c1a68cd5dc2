"""Credits: prices and the ledger."""
