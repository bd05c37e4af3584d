"""Taylor-mode evaluation: channels of derivatives carried through layers, with C kernels."""
