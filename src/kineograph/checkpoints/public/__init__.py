"""One key map per published checkpoint family."""
