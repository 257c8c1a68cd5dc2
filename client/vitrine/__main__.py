"""`python -m vitrine` is the `vitrine` command."""

import sys

from vitrine.command import main

sys.exit(main())
