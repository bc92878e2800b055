"""Drift between two windows: column tests, realised performance, the trigger policy and the decision."""
