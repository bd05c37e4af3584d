"""What a person looks at: reports, pictures, VTK files, DeepXDE models.

In come results of the other rooms; out go figures, files and text.
"""
