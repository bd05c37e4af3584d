"""Initial-boundary value problems solved by superposing exact solutions of their equation."""
