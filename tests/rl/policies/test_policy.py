"""What was trained can be used: it acts as in the run, is replayed, filmed, exported."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forked import a2l

import a2ls_dsl
from a2ls_dsl.diagnostics import A2lError
from a2ls_dsl.rl.envs.tasks import find_task
from a2ls_dsl.rl.policies.export import write_policy
from a2ls_dsl.rl.policies.policy import Policy, load_policy, load_trained
from a2ls_dsl.rl.rainbow.settings import RainbowSettings
from a2ls_dsl.rl.runs.folder import RunFolder
from a2ls_dsl.rl.runs.keeping import train
from a2ls_dsl.rl.runs.trainer import Plan, Trainer
from a2ls_dsl.rl.runs.training import Training
from a2ls_dsl.rl.settings import Computation, EvaluationSettings, PixelSettings, SacSettings

SAC = SacSettings(hidden=16, batch_size=8, random_steps=20)
RAINBOW = RainbowSettings(random_steps=30, batch_size=4, hidden=16, projection=8, replay_capacity=200)


def trained(folder: Path, training: Training, seeds: tuple[int, ...] = (0,), exact: bool = True) -> Trainer:
    """A short run in `folder`; the trainer that made it, closed, whose networks can still be asked."""
    plan = Plan(training, (None,) * len(seeds), seeds)
    with Trainer(plan, "cpu", 1, exact=exact) as trainer, RunFolder(folder, trainer) as run:
        train(trainer, run)
    return trainer


def vectors(frames: int = 1000) -> Training:
    return Training(find_task("cartpole-swingup"), frames, SAC, EvaluationSettings(frames, 2))


def pixels() -> Training:
    return Training(find_task("cartpole-swingup"), 240, SAC, EvaluationSettings(240, 1), PixelSettings())


def game() -> Training:
    return Training(find_task("Pong"), 240, RAINBOW, EvaluationSettings(240, 1))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    folder = tmp_path_factory.mktemp("runs") / "vectors"
    return folder, trained(folder, vectors(), (3, 4))


def acts_as_its_run(policy: Policy, trainer: Trainer, member: int) -> None:
    """Asked for an observation, the policy gives what the learner's frozen copy gives, to the last bit."""
    learner = trainer.slots.first.learner
    learner.freeze()
    rng = np.random.default_rng(0)
    seen = np.zeros((learner.members, *policy.seen), np.float32 if len(policy.seen) == 1 else np.uint8)
    for _ in range(20):
        seen[:] = (
            rng.normal(size=policy.seen) if len(policy.seen) == 1 else rng.integers(256, size=policy.seen)
        )
        if policy.discrete:  # the learner's own draws a random action now and then
            agent = learner.stacks[0]
            expected: Any = int(agent.greedy(torch.as_tensor(seen[:, None]))[member, 0].argmax())
        else:
            expected = learner.act_frozen(seen)[member]
        assert np.array_equal(policy.act(seen[member]), expected)


def exported_alike(policy: Policy, path: Path) -> None:
    """The program gives the policy's actions and features, bit for bit, for batches of several sizes."""
    write_policy(policy, path)
    files = {"a2l.json": ""}
    program = torch.export.load(path, extra_files=files).module()
    about = json.loads(files["a2l.json"])
    assert tuple(about["sees"]) == policy.seen
    for batch in (1, 2, 5):
        shape = (batch, *policy.seen)
        generator = torch.Generator().manual_seed(batch)
        seen = (
            torch.randn(shape, generator=generator)
            if len(policy.seen) == 1
            else torch.randint(256, shape, dtype=torch.uint8, generator=generator)
        )
        action, features = program(seen)
        assert np.array_equal(action.detach().numpy(), policy.act(seen))
        assert np.array_equal(features.detach().numpy(), policy.encode(seen))


def test_vectors(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    folder, trainer = run
    for member, curve in enumerate(("seed-3", "seed-4")):
        policy = load_policy(folder, curve)
        acts_as_its_run(policy, trainer, member)
    exported_alike(policy, tmp_path / "policy.pt2")
    assert policy.encode(np.zeros(5)).shape == (policy.features,) == (45,)
    assert policy.act(np.zeros((7, 5))).shape == (7, 1)
    act = policy.episode()
    assert np.array_equal(act(np.ones(5)), policy.act(np.ones(5)))


@pytest.mark.parametrize("training", [pixels, game], ids=["frames", "rainbow"])
def test_frames(training: Any, tmp_path: Path) -> None:
    trainer = trained(tmp_path / "run", training())
    policy = load_policy(tmp_path / "run")
    acts_as_its_run(policy, trainer, 0)
    exported_alike(policy, tmp_path / "policy.pt2")
    # An episode's function stacks and crops what the environment gives.
    frames = np.random.default_rng(1).integers(256, size=(5, *policy.observation_shape), dtype=np.uint8)
    act = policy.episode()
    actions = [act(frame) for frame in frames]
    stack, crop = policy.observations.stack, policy.seen[-1]
    edge = (frames.shape[-1] - crop) // 2
    newest = np.concatenate(frames[-stack:])[:, edge : edge + crop, edge : edge + crop]
    assert np.array_equal(actions[-1], policy.act(newest))


def test_a_member_of_a_shared_stack_can_be_taken_out(tmp_path: Path) -> None:
    trainer = trained(tmp_path / "run", vectors(), (0, 1), exact=False)
    learner = trainer.slots.first.learner
    learner.freeze()
    seen = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    for member in (0, 1):
        policy = load_policy(tmp_path / "run", f"seed-{member}")
        np.testing.assert_allclose(policy.act(seen[member]), learner.act_frozen(seen)[member], rtol=1e-5)
        assert policy.trained.frames == 1000


def test_playing_repeats_the_last_evaluation(run: tuple[Path, Trainer]) -> None:
    folder, _ = run
    with (folder / "seed-4.csv").open() as file:
        expected = float(list(csv.DictReader(file))[-1]["return"])
    done = a2l("play", folder, "--curve", "seed-4")
    assert done.returncode == 0, done.stderr
    assert f"last evaluation {expected:.1f}" in done.stdout
    assert f"mean return {expected:.1f}" in done.stdout
    assert done.stdout.count("at its time limit") == 2


def test_a_video_shows_the_episode(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    video = tmp_path / "episode.mp4"
    # No display is there, and none is asked for.
    env = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MUJOCO_GL")}
    done = a2l("play", run[0], "--episodes", "1", "--video", video, env=env)
    assert done.returncode == 0, done.stderr
    with av.open(str(video)) as file:
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
        assert float(file.streams.video[0].average_rate) == pytest.approx(60 / 8)
    assert len(pictures) == 126  # the first observation, and one for each step
    assert pictures[0].shape == (360, 480, 3)
    assert pictures[0].std() > 10  # not one colour
    assert np.abs(pictures[0].astype(int) - pictures[60].astype(int)).max() > 30  # something has moved
    assert [path.name for path in tmp_path.iterdir()] == ["episode.mp4"]


def test_weights_have_names_and_no_axis_of_members(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors")
    policy = load_policy(run[0], "seed-3")
    path = tmp_path / "policy.safetensors"
    write_policy(policy, path)
    with safetensors.safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        about = json.loads(file.metadata()["a2l"])
    assert about["training"]["env"] == "cartpole-swingup"
    # The encoder as the paper writes it, by hand.
    seen = torch.randn(5, generator=torch.Generator().manual_seed(0))
    hidden = torch.relu(seen @ weights["encoder.hidden.weight"][0] + weights["encoder.hidden.bias"][0, 0])
    wide = torch.cat([seen, hidden])
    out = wide @ weights["encoder.out.weight"][0] + weights["encoder.out.bias"][0, 0]
    out = torch.nn.functional.layer_norm(out, out.shape)
    features = out * weights["encoder.norm.weight"][0] + weights["encoder.norm.bias"][0]
    torch.testing.assert_close(features, torch.as_tensor(policy.encode(seen)))


def test_an_export_needs_torch_alone(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    path = tmp_path / "policy.pt2"
    done = a2l("play", run[0], "--curve", "seed-3", "--export", path)
    assert done.returncode == 0, done.stderr
    assert "observations (5,) -> actions (1,), features (45,)" in done.stdout
    code = f"""
import sys, torch
sys.modules["a2ls_dsl"] = None
action, features = torch.export.load({str(path)!r}).module()(torch.zeros(1, 5))
print(action.item())
"""
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert float(alone.stdout) == float(load_policy(run[0], "seed-3").act(np.zeros(5))[0])


def test_a_policy_file_is_the_policy(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    saved = load_trained(run[0], "seed-4")
    saved.save(tmp_path / "policy.npz")
    again = load_trained(tmp_path / "policy.npz")
    assert again.networks.arrays.keys() == saved.networks.arrays.keys()
    assert {**vars(again), "networks": None} == {**vars(saved), "networks": None}
    seen = np.random.default_rng(0).normal(size=(4, 5))
    assert np.array_equal(Policy(again).act(seen), Policy(saved).act(seen))
    assert a2ls_dsl.load_policy is load_policy


def test_what_cant_be_played_has_a_message(run: tuple[Path, Trainer], tmp_path: Path) -> None:
    policy = load_policy(run[0], "seed-3")
    (tmp_path / "study" / "hall_of_fame").mkdir(parents=True)
    (tmp_path / "other.npz").write_bytes(b"none")
    (tmp_path / "mine.a2l").write_text("not to be deleted")
    (tmp_path / "empty").mkdir()
    for path, words in (
        (tmp_path / "nowhere", "there is no run, study or policy"),
        (tmp_path / "empty", "neither a run nor a study"),
        (tmp_path / "study", "keeps no policy"),
        (tmp_path / "other.npz", "not a checkpoint"),
        (tmp_path / "mine.a2l", "not a policy that can act here"),
    ):
        done = a2l("play", path)
        assert "delete" not in done.stderr or path.suffix == ".npz"
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert "fix:" in done.stderr
    done = a2l("play", run[0], "--curve", "seed-5")
    assert "seed-4" in done.stderr
    with pytest.raises(A2lError, match="sees"):
        policy.act(np.zeros(6))
    with pytest.raises(A2lError, match="doesn't name a kind"):
        write_policy(policy, tmp_path / "policy.onnx")
    missing = a2l("play", run[0], "--export", tmp_path / "no" / "folder.pt2")
    assert missing.returncode in (1, 2)
    assert "can't be written" in missing.stderr
    assert not list(tmp_path.glob("*partial*"))


def test_bf16_is_exported_as_it_acts(tmp_path: Path) -> None:
    training = Training(
        find_task("cartpole-swingup"),
        400,
        SAC,
        EvaluationSettings(400, 1),
        computation=Computation(precision="bf16"),  # type: ignore[arg-type]
    )
    trained(tmp_path / "run", training)
    exported_alike(load_policy(tmp_path / "run"), tmp_path / "policy.pt2")
