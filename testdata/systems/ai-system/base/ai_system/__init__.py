"""What the agents share: their configuration, their log, and the way in which they talk."""
