"""Every command, one module per group; importing this registers them all."""

from a2ls_dsl.cli import language as language
