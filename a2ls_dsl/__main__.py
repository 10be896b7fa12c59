"""`python -m a2ls_dsl`: the command `a2l` where it isn't installed as one."""

from a2ls_dsl.cli import main

main()
