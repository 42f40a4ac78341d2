"""Speed and memory of the telephone side under SIPp's load: `make bench`."""
