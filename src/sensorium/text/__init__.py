"""What several senses need to know about written language."""
