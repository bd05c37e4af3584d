"""Fields and networks enclosed in many cells at once; jumps at periodic ends taken off."""
