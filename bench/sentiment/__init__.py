"""What a score costs: our scorers beside the plain transformers pipeline; what the language gate lets through."""
