"""Bodies in space and time: their inside, boundary, normals, quadrature and meshes.

In come shapes and numbers of points; out go `PointSet` values. Extension points: `base.Domain`, `shapes.Body`.
"""
