"""Which checkpoints exist (`catalog`), how they come here (`store`), and where they run (`device`, `loaded`)."""
