"""Write, compile, search for and trust auxiliary losses for reinforcement-learning agents."""

__version__ = "0.1.0"
