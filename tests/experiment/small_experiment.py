"""The file of a small experiment."""

from __future__ import annotations

from pathlib import Path

SMALL = """
name = "small"
question = "Is it stored?"
envs = ["cartpole-swingup", "cartpole-balance"]
seeds = 2
frames = 800
stack = 3

[arms]
none = "none"
own = { loss = "mine.a2l", batch_size = 6 }

[settings]
hidden = 8
batch_size = 4
random_steps = 20
eval_every = 400
eval_episodes = 1
"""
SHORT = ("gymnasium:Pendulum-v1?g=5&max_episode_steps=20", "gymnasium:Pendulum-v1?max_episode_steps=20")
TRAINED = (
    SMALL.replace(", batch_size = 6", "")
    .replace("stack = 3", "stack = 4")
    .replace("cartpole-swingup", SHORT[0])
    .replace("cartpole-balance", SHORT[1])
    .replace("00\n", "0\n")
)
"""`SMALL` with arms that share a stack, so a piece per environment, and with short episodes."""

LOSS = "loss mine = mse({ s[t], a[t] } -> { s[t+1] })\n"


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mine.a2l").write_text(LOSS)
    path = folder / "small.toml"
    path.write_text(text)
    return path
