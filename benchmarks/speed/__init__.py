"""What an import, a gradient, a million points and a whole run cost."""
