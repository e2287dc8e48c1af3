"""The tables of vectors in PostgreSQL: a Django application of the database ``vectors`` alone."""
