"""End-to-end tests: the real actions on a real runner, against a GitHub on loopback."""
