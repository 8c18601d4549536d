"""Raw HTTP in scoring scripts."""
