"""What a demo that is run as a file finds in place of the package: it says how to run the demo."""

import sys
from pathlib import Path

sys.exit(
    f"run it from the root of the checkout, {Path(__file__).resolve().parent.parent}:\n"
    f"    python3 -m demos.{Path(sys.argv[0]).stem}"
)
