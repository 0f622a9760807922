"""Who is told of an incident, and how."""
