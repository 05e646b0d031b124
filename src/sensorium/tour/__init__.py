"""The tour: the main job in one go, on real media, as commands that anyone can type."""
