"""What makes control maps: one file a map, and the networks behind them."""
