"""First starts of the stack with random secrets: how many fail, and whether a secret is ever seen in an argument.

    python bench/stack_init.py --influxd PATH --influx PATH [--runs 200]

Each run is what a new user's first ``docker compose up`` does, without Docker: ``autoqos stack init`` writes ``.env``,
a fresh InfluxDB 2.x is set up by the command of the image's entry script (``influx setup`` with its arguments, as
influxdata/influxdata-docker has them), and ``stack/influx-init.sh`` runs with the variables of docker-compose.yml. Then
every account is tried. ``/proc/*/cmdline`` is looked at all the time but while the image's own command runs, which
takes its secrets as arguments. JSON on stdout; exit status 1 when a run fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from console.stack.env_file import init  # noqa: E402 - the repository's root comes first
from console.stack.folder import open_stack  # noqa: E402 - idem
from console.stack.server import ask  # noqa: E402 - idem
from tests.servers import free_port  # noqa: E402 - idem


class Watch:
    """Looks for secrets in every program's arguments, by the program that shows them."""

    def __init__(self) -> None:
        self.secrets: tuple[bytes, ...] = ()
        self.found: Counter[str] = Counter()
        self.looks = 0
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        own = os.getpid()
        while True:
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = entry.read_bytes()
                except OSError:
                    continue
                if int(entry.parent.name) != own and any(one in words for one in self.secrets):
                    self.found[b" ".join(words.split(b"\0")[:2]).decode(errors="replace").rsplit("/", 1)[-1]] += 1
            self.looks += 1
            time.sleep(0.02)


def first_start(folder: Path, influxd: str, influx: str, watch: Watch) -> str:
    """One run. What went wrong; empty when nothing did."""
    init(folder)
    stack = open_stack(folder, f"http://127.0.0.1:{free_port()}")
    values = stack.values
    watch.secrets = tuple(
        value.rpartition(":")[2].encode()
        for name, value in values.items()
        if name in ("INFLUX_TOKEN", "GRAFANA_INFLUX_PASSWORD", "FORECASTER_INFLUX_TOKEN", "INFLUX_ADMIN_TOKEN",
                    "INFLUX_ADMIN_PASSWORD")
    )  # fmt: skip
    command = [influxd, "--reporting-disabled", "--http-bind-address", stack.url.removeprefix("http://")]
    for option, name in (("bolt", "influxd.bolt"), ("sqlite", "influxd.sqlite"), ("engine", "engine")):
        command += [f"--{option}-path", str(folder / name)]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while ask(f"{stack.url}/health").status != 200:
            if time.monotonic() > deadline:
                return "influxd does not start"
            time.sleep(0.1)
        environment = {"PATH": f"{Path(influx).parent}:{os.environ['PATH']}", "HOME": str(folder)}
        environment |= {"INFLUX_HOST": stack.url, "INFLUX_CONFIGS_PATH": str(folder / "configs")}
        # The image's own set-up takes its secrets as arguments; that is not ours to change, so it is not watched.
        kept, watch.secrets = watch.secrets, ()
        done = subprocess.run(
            [
                *(influx, "setup", "--force", "--username", "admin", "--password", values["INFLUX_ADMIN_PASSWORD"]),
                *("--org", "autoqos", "--bucket", "autoqos", "--name", "default", "--retention", "30d"),
                *("--token", values["INFLUX_ADMIN_TOKEN"]),
            ],
            env=environment, capture_output=True, text=True,
        )  # fmt: skip
        watch.secrets = kept
        if done.returncode:
            return f"influx setup: {done.stderr.strip()[-200:]}"
        environment |= {
            "INFLUX_ORG": "autoqos",
            "INFLUX_TOKEN": values["INFLUX_ADMIN_TOKEN"],
            "AGENT_ACCOUNT": values["INFLUX_TOKEN"],
            "READER_ACCOUNT": f"{values['GRAFANA_INFLUX_USER']}:{values['GRAFANA_INFLUX_PASSWORD']}",
            "FORECASTER_ACCOUNT": values["FORECASTER_INFLUX_TOKEN"],
        }
        done = subprocess.run(
            ["/bin/sh", str(ROOT / "stack" / "influx-init.sh")], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            return f"influx-init: {done.stderr.strip()[-200:]}"
        for account, path, wanted in (
            ("INFLUX_TOKEN", "/write?db=autoqos", 204),
            ("FORECASTER_INFLUX_TOKEN", "/write?db=autoqos", 204),
            ("INFLUX_READ_TOKEN", "/write?db=autoqos", 403),
            ("INFLUX_READ_TOKEN", "/query?db=autoqos&q=SHOW+MEASUREMENTS", 200),
        ):
            body = b"# nothing" if path.startswith("/write") else None
            status = ask(stack.url + path, token=values[account], body=body).status
            if status != wanted:
                return f"{account} at {path}: {status}, not {wanted}"
        return ""
    finally:
        server.kill()
        server.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--influxd", required=True)
    parser.add_argument("--influx", required=True)
    parser.add_argument("--runs", type=int, default=200)
    arguments = parser.parse_args()
    watch, failed = Watch(), Counter[str]()
    began = time.monotonic()
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory(prefix="autoqos-first-start-") as folder:
            if problem := first_start(Path(folder), arguments.influxd, arguments.influx, watch):
                failed[problem] += 1
    result = {
        "runs": arguments.runs,
        "failed": sum(failed.values()),
        "problems": dict(failed),
        "looks_at_arguments": watch.looks,
        "secrets_seen_in_arguments_of": dict(watch.found),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(result, indent=1))
    return int(bool(failed or watch.found))


if __name__ == "__main__":
    sys.exit(main())
