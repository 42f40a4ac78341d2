"""RTP, keypad tones, G.711 and playout; it knows no payments."""
