"""One file a command; nothing here that a user of the library would miss."""
