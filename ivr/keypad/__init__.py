"""Key presses to entries: time-outs, erasing, validation, diagnosis of a mistyped field."""
