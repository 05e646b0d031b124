"""The only place that reads untrusted bytes: paths, addresses and uploads become pictures and samples, and these
files."""
