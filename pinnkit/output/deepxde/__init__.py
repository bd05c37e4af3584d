"""To and from DeepXDE; it is loaded only when used."""
