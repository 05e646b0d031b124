"""Many machines, through Ray: batches on Ray Data, indexes built by actors, models served by Ray Serve."""
