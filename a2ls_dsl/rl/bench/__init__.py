"""How fast this machine trains, beside the least time that the work can take on it: `a2l bench`."""
