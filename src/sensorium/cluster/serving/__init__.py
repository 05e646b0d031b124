"""The server on Ray Serve: one keeper of the jobs, ingress replicas before it, and models as deployments behind it."""
