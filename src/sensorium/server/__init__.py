"""The engine over HTTP: one router per group of endpoints. Nothing here knows models; everything calls the engine."""
