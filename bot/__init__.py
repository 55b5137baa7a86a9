"""Ghostwriter's faces, Discord and the console, over one writer service, database and model."""
