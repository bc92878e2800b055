"""Tidegate: continuous-delivery gates and continuous-training decisions for models kept in a repository."""

__version__ = "0.1.0"
