"""`solve`: optimisers, resampling, loss balancing, time windows, run files.

In come a problem, a network and settings; out goes a `Solution`. Extension points: `optim.Stage`, `resampling` and its
`scores`, registered by `register`.
"""
