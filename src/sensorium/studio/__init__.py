"""The web page: every sense in a browser. It submits jobs and looks at them; it never calls a model."""
