"""Films: questions about a film, its key moments, subtitles, and what a policy says about it."""
