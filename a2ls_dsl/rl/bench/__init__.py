"""How fast this machine trains, compared with the least time that the work can take: `a2l bench`."""
