"""``python -m cli`` is ``mows``."""

import sys

from cli.app import main

sys.exit(main())
