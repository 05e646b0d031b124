"""The door that the engine has to HTTP."""
