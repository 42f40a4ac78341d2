"""`solde demo`: the main job, whole, on loopback, with a phone that nobody here wrote."""
