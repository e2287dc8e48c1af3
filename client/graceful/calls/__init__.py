"""What a client may ask of the registry: a class a noun, together the ``Client``."""
