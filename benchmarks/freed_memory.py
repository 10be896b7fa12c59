"""What it buys on a CPU that memory which updates free stays with the process: see `keep_freed_memory`.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/freed_memory.py --members 3 --hidden 1024

Prints, for a process that keeps it and one that gives it back, milliseconds per member-update of a stack of
random losses of the a2ls space (each the least of several processes, which take turns), and their ratio.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from stacked_learner import milliseconds

from a2ls_dsl.rl.slots import learner


def measure(keep: bool, members: int, hidden: int, repeats: int) -> float:
    """Milliseconds per member-update at batch 128, in a process of its own."""
    command = [sys.executable, __file__, "--alone", "kept" if keep else "given back"]
    command += ["--members", str(members), "--hidden", str(hidden), "--repeats", str(repeats)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--alone", choices=["kept", "given back"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    shared = (options.members, options.hidden, options.repeats)
    if options.alone:
        if options.alone == "given back":
            learner.keep_freed_memory = lambda: None
        print(milliseconds(options.members, 128, options.hidden, "cpu", exact=False, repeats=options.repeats))
        return
    turns = [(measure(True, *shared), measure(False, *shared)) for _ in range(options.processes)]
    kept, given = (min(times) for times in zip(*turns, strict=True))
    print(f"{options.members} members, {options.hidden} units: ms per member-update")
    print(f"kept {kept:.2f}  given back {given:.2f}  ratio {given / kept:.2f}")


if __name__ == "__main__":
    main()
