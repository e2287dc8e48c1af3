"""``python -m client.demo``: train, upload, judge, promote, search, roll back; see README."""

import sys

from client.demo.story.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
