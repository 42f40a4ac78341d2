"""What a caller hears: reviewed prompts, amounts, digits and dates, as clips ready to play."""
