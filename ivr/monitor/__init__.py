"""The web side: HTTP API, event stream, metrics and the live page. It never sees a card."""
