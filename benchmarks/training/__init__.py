"""How accurate training gets, and what resampling adds."""
