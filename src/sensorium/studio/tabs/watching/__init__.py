"""Watch: questions about films, descriptions, moments, what a policy looks for, subtitles."""
