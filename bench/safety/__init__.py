"""What transactions, ledger and snapshots cost: the same flow with and without them."""
