"""The registry: domain, API and pages."""
