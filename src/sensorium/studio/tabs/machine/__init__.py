"""Machine: what is loaded, what is fetched, what waits, and what is done."""
