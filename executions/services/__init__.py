"""The engine's use cases. Each opens its own transaction, checks the actor, and calls transitions."""
