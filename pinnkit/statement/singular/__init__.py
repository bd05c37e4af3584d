"""Where data and coefficients are not smooth: kinks, jumps, point masses, interfaces."""
