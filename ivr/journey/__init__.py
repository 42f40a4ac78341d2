"""What is said and asked, step by step; it knows no SIP."""
