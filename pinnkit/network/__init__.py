"""Networks as values: parameters apart from the shape, all partial derivatives in one forward pass.

In come a domain and parameters theta (P,); out go channels (derivatives) at points and their adjoints.
Extension points: `Network`, `FeatureMap`, activations in `jets.activation`.
"""
