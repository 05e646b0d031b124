"""Networks that make a painter follow a control map."""
