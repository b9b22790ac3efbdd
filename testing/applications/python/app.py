"""Answers GET / with its name and, when NEXT is set, with what the next service answered."""

import logging
import os
import urllib.request

from flask import Flask

app = Flask(__name__)


@app.route("/")
def answer():
    logging.getLogger("app").warning("asked")
    following = os.environ.get("NEXT")
    if not following:
        return "python\n"
    with urllib.request.urlopen(following) as response:
        return "python > " + response.read().decode()


if __name__ == "__main__":
    print(f"listening; PYTHONPATH={os.environ.get('PYTHONPATH', '')}", flush=True)
    app.run(host="0.0.0.0", port=8080)
