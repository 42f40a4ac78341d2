"""Coverage-guided fuzzing of whatever reads bytes from the network (atheris, libFuzzer)."""
