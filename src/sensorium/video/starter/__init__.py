"""What works offline: films described and asked about from key moments and what is said."""
