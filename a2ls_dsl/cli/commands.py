"""Every command, one module per group; importing this registers them all."""

from a2ls_dsl.cli import analyze as analyze
from a2ls_dsl.cli import bench as bench
from a2ls_dsl.cli import compile as compile
from a2ls_dsl.cli import doctor as doctor
from a2ls_dsl.cli import evolve as evolve
from a2ls_dsl.cli import experiment as experiment
from a2ls_dsl.cli import explain as explain
from a2ls_dsl.cli import grammar as grammar
from a2ls_dsl.cli import language as language
from a2ls_dsl.cli import lsp as lsp
from a2ls_dsl.cli import study as study
from a2ls_dsl.cli import train as train
