"""Whether the traffic still looks like what the champion was evaluated on, at a stated rate of false alarms."""
