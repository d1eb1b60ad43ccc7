"""All that touches Flower: its messages, its processes, its control interface."""
