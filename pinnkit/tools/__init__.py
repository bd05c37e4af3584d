"""What knows no differential equation: files, signals, linear algebra, sequences of points, what is printed.

In come arrays, paths and settings; out go arrays, files and lines on a screen. Extension point: `serialise.register`.
"""
