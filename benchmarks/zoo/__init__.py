"""The model zoo: the seven problems of the published influence study, trained well and badly, and what tells which."""
