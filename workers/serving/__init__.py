"""The search process: answers from what the live pointer of a gallery names."""
