"""OpenAI's API on a real server with the starter's models, spoken to by OpenAI's own client and as others do it."""
