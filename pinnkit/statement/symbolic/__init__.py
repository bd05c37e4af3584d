"""The language of statements: fields, derivatives, conditions, references, and SymPy on tensors."""
