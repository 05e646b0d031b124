"""Films: questions about them, and their key moments."""
