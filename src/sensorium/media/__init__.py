"""The only door for untrusted bytes: paths, addresses, uploads become pictures and samples, and these become files."""
