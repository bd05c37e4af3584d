"""pinnkit against DeepXDE and against itself: what a gradient, a run, a million points and an import cost."""
