"""The door to files that may lie in a folder of this machine or in an object store."""
