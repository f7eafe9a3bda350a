"""How long an emptied Redis or Valkey takes to be filled from the database."""
