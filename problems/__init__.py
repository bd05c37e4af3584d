"""One partial differential equation a file; each is a function that returns a pinnkit.Problem."""
