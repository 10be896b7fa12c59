"""How long `a2l check` takes with the largest files that it looks at, made to be slow; the slowest last.

python benchmarks/large_files.py
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from a2ls_dsl.cli import main as a2l
from a2ls_dsl.lang.files import MAX_SIZE

N = MAX_SIZE - 100
LARGE = {
    "one long word": "loss a = mse({ s_" + "t_" * (N // 2),
    "a long name": "import " + "a" * N,
    "a run a thousand times": "loss a = mse({ " + ", ".join(["s[t..t+999]"] * 19) + " } -> { a[t] })",
    "deep runs": "loss a = mse({ "
    + ", ".join(["l2(" * 14 + "crop(s[t..t+999])" + ")" * 14] * 19)
    + " } -> { a[t] })",
    "references": "loss a=mse({s[t]}->{s[t+1]})\nloss b=" + "+".join(["a"] * (N // 2)),
    "losses": "".join(f"loss a{i}=mse({{s[t]}}->{{s[t+1]}})\n" for i in range(N // 34)),
    "unknown names": "".join(f"loss lo{i}=refe{i}\n" for i in range(N // 21)),
    "long names": "".join(f"loss {'ab' * 3500}{i}=mse({{s[t]}}->{{s[t+1]}})\n" for i in range(2))
    + f"loss b = {'ba' * 3500}1\nloss c = {'bab' * 2000}({{s[t]}})",
    "unknown operators": "".join(f"loss a{i}=msa{i}({{s[t]}}->{{s[t+1]}})\n" for i in range(N // 36)),
    "unknown functions": "loss a = mse({ " + ", ".join(f"crip{i}(s[t])" for i in range(N // 17)) + " })",
    "imports": "".join(f'import "crul{i}"\n' for i in range(N // 18)),
    "heads": "loss a = "
    + " + ".join(f"mse({{s[t]}}->{{r[t]}}) with head=linear as h{i // 2}" for i in range(N // 52)),
    "nesting": "loss a = mse({ " + "l2(" * (N // 3),
    "closed nesting": "loss a = mse({ " + "l2(" * (N // 5) + "s[t]" + ")" * (N // 5) + " } -> { a[t] })",
    "parentheses": "loss a = " + "(" * N,
    "digits": "loss a = mse({ s[t+" + "9" * N + "] } -> { s[t] })",
    "pieces": "loss \n" * (N // 6),
    "quotes": '"' * N,
    "comments": '# "' * (N // 3),
    "stars": "loss a = " + "1*" * (N // 2),
    "equals": "loss " + "a = " * (N // 4),
    "withs": "loss a = mse({s[t]} -> {a[t]}) " + "with " * (N // 5),
    "LaTeX": "loss a = " + "\\bar" * (N // 4),
    "bars": "loss a = " + "|" * N,
}


def seconds(path: Path) -> float:
    """Of the processor, for a check in this process."""
    sys.argv, said = ["a2l", "check", str(path)], io.StringIO()
    start = time.process_time()
    with redirect_stdout(said), redirect_stderr(said), suppress(SystemExit):
        a2l()
    return time.process_time() - start


def main() -> None:
    with TemporaryDirectory() as folder:
        path, taken = Path(folder) / "large.a2l", dict[str, float]()
        for name, text in LARGE.items():
            path.write_text(text)
            taken[name] = min(seconds(path) for _ in range(3))
    for name in sorted(taken, key=taken.__getitem__):
        print(f"{taken[name]:6.2f} s  {name}")


if __name__ == "__main__":
    main()
