# SPDX-License-Identifier: Apache-2.0
"""Start a MONAI Label server, ask it, stop it."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import requests

REPOSITORY = Path(__file__).resolve().parents[2]
START_S = 900
REQUEST_S = 300


def eventually(happens, timeout_s=120):
    """Wait until a function gives something true, and return that."""
    end = time.monotonic() + timeout_s
    while not (result := happens()):
        assert time.monotonic() < end, f"{happens} did not come true within {timeout_s} s"
        time.sleep(0.2)
    return result


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A server for the length of a `with` block.

    Args:
        app: folder of the MONAI Label app.
        studies: folder of the studies.
        conf: `--conf` of the app.
        folder: for the log, sessions and temporary files of the server.
    """

    def __init__(self, app, studies, conf, folder):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = Path(folder) / "server.log"
        self.temporary = Path(folder) / "tmp"
        self.temporary.mkdir(parents=True)
        self.command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(app)]
        self.command += ["--studies", str(studies), "--host", "127.0.0.1", "--port", str(self.port)]
        for key, value in conf.items():
            self.command += ["--conf", key, value]
        path = [str(REPOSITORY), str(REPOSITORY / "tests" / "apps"), str(REPOSITORY / "apps" / "lsms" / "environment")]
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path),
            "TMPDIR": str(self.temporary),
            "MONAI_LABEL_SESSION_PATH": str(Path(folder) / "sessions"),
            "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, env=self.environment, cwd=self.log.parent
            )
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                requests.get(f"{self.address}/info/", timeout=10).raise_for_status()
                return self
            except requests.RequestException:
                time.sleep(0.5)
        self.__exit__()
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def get(self, path, **options):
        return requests.get(self.address + path, timeout=REQUEST_S, **options)

    def put(self, path, **options):
        return requests.put(self.address + path, timeout=REQUEST_S, **options)

    def delete(self, path, **options):
        return requests.delete(self.address + path, timeout=REQUEST_S, **options)

    def post(self, path, **options):
        return requests.post(self.address + path, timeout=REQUEST_S, **options)

    def infer(self, image, params, output="json", model="lsms", **options):
        """Ask; `params` is a dictionary, or text to be sent as it is."""
        text = params if isinstance(params, str) else json.dumps(params)
        address = f"/infer/{model}?" + (f"image={image}&" if image else "") + f"output={output}"
        return self.post(address, data={"params": text}, **options)

    def mask(self, image, prompt, extension=".nii.gz", model="lsms"):
        """Label map (W, H, D) and affine of an answer."""
        from lsms_monai.data import CTReader

        params = {"prompt": prompt, "result_extension": extension, "result_dtype": "uint8"}
        response = self.infer(image, params, output="image", model=model)
        assert response.status_code == 200, response.text
        path = self.temporary / f"answer{extension}"
        path.write_bytes(response.content)
        reader = CTReader()
        voxels, meta = reader.get_data(reader.read(path))
        return voxels, meta["affine"]

    def wait(self, path, timeout_s=900):
        """Wait for a background task of MONAI Label and return its state."""

        def ended():
            state = self.get(path).json()
            return state["status"] not in ("SUBMITTED", "RUNNING") and state

        return eventually(ended, timeout_s)
