"""Two-sided bounds of an error by a supersolution that is made and verified for the problem."""
