"""What a lesson that is run as a file finds in place of the package: it hands over the package.

`python3 demos/lessons/NAME.py` looks for modules beside the lesson, `python3 -m demos.lessons.NAME`
at the root of the checkout.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
del sys.modules[__name__]
import demos.lessons  # noqa: E402, F401 - for Ctrl-C
import scalargrad  # noqa: E402, F401 - it takes the place of this module
