"""Telling others of a project's events: relay (events to deliveries), courier (deliveries to receivers)."""
