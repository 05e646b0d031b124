"""The server on Ray Serve: one keeper of the jobs, and as many ingress replicas before it as are needed."""
