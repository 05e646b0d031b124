"""OpenAI's API as its clients speak it today: a router an endpoint group, each of which only builds operations."""
