"""Hard constraints u = g + d N, and the exact singular parts that they carry."""
