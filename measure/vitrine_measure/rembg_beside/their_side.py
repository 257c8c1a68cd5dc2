"""The side of rembg: a script for an environment that has it. It needs nothing of this project.

Reads paths of pictures from its standard input, a line each, and answers with one line of JSON for each: the
seconds that `rembg.remove` took, and the path of the alpha that it wrote beside the picture.
"""

import io
import json
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Answer line by line until the input ends."""
    os.environ["U2NET_HOME"], network, threads = sys.argv[1:4]
    os.environ["OMP_NUM_THREADS"] = threads
    from PIL import Image
    from rembg import new_session, remove

    session = new_session(network)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        path = Path(line.strip())
        encoded = path.read_bytes()
        started = time.perf_counter()
        answer = remove(encoded, session=session)
        seconds = time.perf_counter() - started
        out = path.with_suffix(".rembg.png")
        Image.open(io.BytesIO(answer)).getchannel("A").save(out)
        print(json.dumps({"seconds": seconds, "alpha": str(out)}), flush=True)


if __name__ == "__main__":
    main()
