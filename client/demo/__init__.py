"""The demo's models and data: trained from scratch, seeded, spoken to the registry over HTTP."""
