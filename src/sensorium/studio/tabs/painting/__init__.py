"""Paint: pictures from words, from pictures, from a part of one, and from another's layout."""
