"""From a sealed card to a known end: gateways behind one interface."""
