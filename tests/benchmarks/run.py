"""How fast cave_magic is compared with caveclient, on the practice server: `python tests/benchmarks/run.py`.

Everything is run in turn, each time in a fresh process, so that other load on the machine affects all alike. What counts is the
median of the ratios of neighbours. It prints a table and writes it to `results.md`, with a picture in `results-light.svg`
and `results-dark.svg`, which the documentation shows. It needs the extra `bench`.
Not a test: the numbers depend on the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE)]

from picture import draw  # noqa: E402

from cave_magic.sandbox import Sandbox  # noqa: E402

LOAD = "%load_ext cave_magic"
CHECK = "%cave_check minnie65_public"
WHOAMI, ALL = "%cave_whoami", "%cave_check --all"
FIRST, AGAIN = "first in a kernel", "again"
CLIENT = 'from caveclient import CAVEclient\nclient = CAVEclient("minnie65_public")'
OTHERS = {"line_profiler": "line_profiler", "pyinstrument": "pyinstrument", "watermark": "watermark"}
"""Well-known extensions, measured for comparison if they are installed."""


@dataclass
class Results:
    """The results: rows of the table, bars and curves of the picture."""

    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)
    bars: list[tuple[str, float]] = field(default_factory=list)
    datastacks: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    files: list[tuple[float, float]] = field(default_factory=list)

    def add(self, what: str, theirs: str, ours: str, beside: str, floor: str = "") -> None:
        """Adds a row and prints it: what was measured, caveclient, cave_magic, the comparison, the physical limit."""
        self.rows.append((what, theirs, floor, ours, beside))
        print(f"{what:<58} {theirs:>20} {floor:>20} {ours:>20}   {beside}", flush=True)


# ---------------------------------------------------------------- a home and its kernels


@contextlib.contextmanager
def computer(cave: Sandbox, files: int = 0, person: str = "ada") -> Iterator[Path]:
    """A home folder with access to a practice server for a person, and with other token files."""
    with tempfile.TemporaryDirectory(prefix="cave-benchmark-") as name:
        folder = Path(name) / ".cloudvolume" / "secrets"
        folder.mkdir(parents=True, mode=0o700)
        text = json.dumps({"token": cave.new_token(person, "benchmark")})
        for address in (cave.server, *cave.local_servers):
            (folder / f"{urlsplit(address).netloc}-cave-secret.json").write_text(text)
        for number in range(files):
            (folder / f"host{number}.example.org-cave-secret.json").write_text(text)
        for path in folder.iterdir():
            path.chmod(0o600)
        mapped = dict.fromkeys(cave.datastacks, cave.server)
        (folder / "cave_datastack_to_server_map.json").write_text(json.dumps(mapped))
        yield Path(name)


def seconds(home: Path, *cells: str, at_most: float = 300) -> list[float]:
    """Wall-clock seconds of each cell in a fresh kernel."""
    return [clock for clock, _ in both(home, *cells, at_most=at_most)]


def both(home: Path, *cells: str, at_most: float = 300) -> list[tuple[float, float]]:
    """Wall-clock and CPU seconds of each cell; other work on the machine affects CPU seconds less."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(HERE / "child.py"), json.dumps(cells)],
        env=env, capture_output=True, text=True, timeout=at_most, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return [(clock, used) for clock, used in json.loads(done.stdout.splitlines()[-1])]


def ms(values: Sequence[float]) -> str:
    """A median in milliseconds, and the quartiles if there are enough values, as text."""
    first, middle, third = quantiles(values, n=4) if len(values) > 3 else [median(values)] * 3
    text = f"{middle * 1000:.0f} ms" if middle >= 0.01 else f"{middle * 1000:.1f} ms"
    return f"{text} ({first * 1000:.0f}\u2013{third * 1000:.0f})" if third > first and middle >= 0.01 else text


# ---------------------------------------------------------------- what is measured


def load(results: Results, runs: int) -> None:
    """`%load_ext` compared with an import of caveclient, and with other extensions that are installed."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        cells = {LOAD: LOAD, "import caveclient": "import caveclient"}
        cells |= {f"%load_ext {one}": f"%load_ext {one}" for one in OTHERS if _is_here(one)}
        found: dict[str, list[float]] = {title: [] for title in cells}
        for _ in range(runs + 1):
            for title, cell in cells.items():
                found[title] += seconds(home, cell)
        medians = {title: ms(values[1:]) for title, values in found.items()}
        theirs, ours = (medians.pop(title) for title in ("import caveclient", LOAD))
        others = "; ".join(f"{title.removeprefix('%load_ext ')} {took}" for title, took in medians.items())
        results.add("loading: `import caveclient`, `%load_ext cave_magic`", theirs, ours, others)


def _is_here(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def first_and_second(results: Results, runs: int) -> None:
    """The first check compared with the first client, in turn, and the second check with its slowest request."""
    client, first, again, slowest, whoami, rows, floor = [], [], [], [], [], [], []
    with Sandbox() as cave, computer(cave) as home:
        cave.delay = 0.1
        counts = [_requests(cave, home, CLIENT), _requests(cave, home, LOAD, CHECK)]
        probe, limit = _probe(cave, home), _by_hand(cave, home, imports=True)
        for _ in range(runs):
            client += both(home, CLIENT)
            loading, check, second, request = both(home, LOAD, CHECK, CHECK, probe)
            first.append((loading[0] + check[0], loading[1] + check[1]))
            again.append(second[0])
            slowest.append(request[0])
            whoami.append(sum(seconds(home, LOAD, WHOAMI)))
            rows.append(sum(seconds(home, LOAD, "rows_appear('minnie65_public')")))
            floor += seconds(home, limit)
    of_clock, of_processor = (
        median(ours[place] / theirs[place] for ours, theirs in zip(first, client, strict=True)) for place in (0, 1)
    )
    beyond = median(a - b for a, b in zip(again, slowest, strict=True))
    clocks = [[clock for clock, _ in client], [clock for clock, _ in first], again, slowest]
    ratio = f"{of_clock:.2f} of the time, {of_processor:.2f} of the processor's, medians of pairs"
    what = "first `CAVEclient(...)`, first `%cave_check`, 100 ms a response"
    results.add(what, ms(clocks[0]), ms(clocks[1]), ratio, ms(floor))
    early = median(ours / theirs for ours, theirs in zip(rows, clocks[0], strict=True))
    results.add("its rows appear, before caveclient is imported", "", ms(rows), f"{early:.2f} of a first client")
    beside = f"{beyond * 1000:.0f} ms beyond its slowest request"
    results.add("second `%cave_check`", "", ms(again), beside, ms(slowest))
    results.add("first `%cave_whoami`, 100 ms a response", "", ms(whoami), "caveclient is not imported")
    results.add("requests (connections) of a client, a check", *counts, "")
    names = ("CAVEclient(...), first", "%cave_check, first", "%cave_check, again", "its slowest request")
    results.bars += [(name, median(values)) for name, values in zip(names, clocks, strict=True)]


def _requests(cave: Sandbox, home: Path, *cells: str) -> str:
    """How many requests some cells send in a fresh kernel, and on how many connections."""
    return f"{_counted(cave, home, *cells)} ({cave.connections})"


def _counted(cave: Sandbox, home: Path, *cells: str) -> int:
    cave.clear_requests()
    seconds(home, *cells)
    return len(cave.requests)


def _probe(cave: Sandbox, home: Path) -> str:
    """A cell that repeats the last requests one by one and measures the slowest."""
    file = home / ".cloudvolume" / "secrets" / f"{urlsplit(cave.server).netloc}-cave-secret.json"
    addresses = [f"http://{one.host}{one.path}" for one in cave.requests]
    return f"slowest_request({addresses!r}, {json.loads(file.read_text())['token']!r})"


def _by_hand(cave: Sandbox, home: Path, imports: bool = False) -> str:
    """A cell that sends the last requests again by hand; what waited for a response waits for it there, too."""
    rounds: list[list[str]] = []
    begun = -cave.delay
    for one in sorted(cave.requests, key=lambda one: one.time):
        if one.time - begun >= cave.delay:  # no sooner can a request have waited for another
            rounds.append([])
            begun = one.time
        rounds[-1].append(f"http://{one.host}{one.path}")
    looked_up = home / "looked-up"
    if looked_up.exists():  # without a network no request arrives; all fail at once
        asked = (line.split() for line in looked_up.read_text().splitlines())
        rounds = [[f"{'https' if port == '443' else 'http'}://{host}/" for host, port in asked]]
    files = home.glob(".cloudvolume/secrets/*-cave-secret.json")
    token = next((json.loads(file.read_text())["token"] for file in files), "none")
    return f"by_hand({rounds!r}, {token!r}, {imports})"


OFFLINE = """
import os, socket
def _no_network(host, port, *more, **others):
    if port:  # not None: for a connection
        with open(os.path.expanduser("~/looked-up"), "a") as file:
            file.write(f"{host} {port}\\n")
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
socket.getaddrinfo = _no_network
"""
"""No name resolves; those that are looked up for a connection are noted in a file, for `_by_hand`."""


def sick(results: Results, runs: int) -> None:
    """First checks that find a cause, compared with a first client, and with the same requests sent by hand."""
    with Sandbox() as cave, contextlib.ExitStack() as stack:
        cave.delay = 0.1
        people = {name: stack.enter_context(computer(cave, person=name)) for name in ("ada", "bob", "carol")}
        rejected, none, offline = (stack.enter_context(computer(cave)) for _ in range(3))
        for file in none.glob(".cloudvolume/secrets/*-cave-secret.json"):
            file.unlink()
        for file in rejected.glob(".cloudvolume/secrets/*-cave-secret.json"):
            file.write_text(json.dumps({"token": "0" * 32}))
        cases = {
            "a rejected token": (rejected, "", CHECK),
            "missing terms": (people["bob"], "", CHECK),
            "no permission": (people["carol"], "", CHECK),
            "a misspelled datastack": (people["ada"], "", f"%cave_check minnie65_pblic --server {cave.server}"),
            "no token": (none, "", CHECK),
            "no network": (offline, OFFLINE, f"{CHECK} --server https://cave.example.org"),
        }
        limits = {}
        for name, (home, before, check) in cases.items():
            cave.clear_requests()
            seconds(home, before, LOAD, check)
            limits[name] = _by_hand(cave, home)
        found: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in cases}
        for _ in range(runs):
            client = seconds(people["ada"], CLIENT)[0]
            for name, (home, before, check) in cases.items():
                ours = [sum(one) for one in zip(*both(home, before, LOAD, check)[1:], strict=True)]
                floor = both(home, before, limits[name])[1]
                found[name].append((client, ours[0], floor[0], ours[1] - floor[1]))
    for name, measured in found.items():
        theirs, ours, floor, busy = (list(one) for one in zip(*measured, strict=True))
        ratio = median(b / a for a, b in zip(theirs, ours, strict=True))
        beyond = median(b - a for a, b in zip(floor, ours, strict=True))
        beside = f"{ratio:.2f} of the time; {beyond * 1000:.0f} ms beyond its requests by hand"
        beside += f" ({median(busy) * 1000:.0f} ms of the processor)"
        results.add(f"first `%cave_check`, {name}", ms(theirs), ms(ours), beside, ms(floor))


def leftovers(results: Results, runs: int) -> None:
    """What a check leaves in a kernel that has imported caveclient: memory, and threads, files and sockets."""
    with Sandbox() as cave, computer(cave) as home:
        begin = ["import caveclient.auth, requests", LOAD]
        things = [seconds(home, *begin, "open_things()", CHECK, "open_things()") for _ in range(runs)]
        resident = [seconds(home, *begin, "megabytes()", CHECK, "megabytes()") for _ in range(runs)]
        allocated = [seconds(home, *begin, "traced()", CHECK, "traced()") for _ in range(runs)]
    left, whole, own = (median(one[4] - one[2] for one in found) for found in (things, resident, allocated))
    beside = f"{whole:.1f} MB of the process; {left:.0f} threads, files and sockets"
    results.add("a first check leaves in the kernel", "", f"{own:.1f} MB of Python's", beside)


def many_datastacks(results: Results, runs: int, most: int) -> None:
    """`--all` with more and more datastacks on five local servers, compared with one, at 50 ms a response."""
    found: dict[tuple[str, int], list[float]] = {}
    ratios: dict[str, list[float]] = {FIRST: [], AGAIN: []}
    for number in sorted({most // 4, most // 2, most}):
        with Sandbox(datastacks=number, local_servers=5) as cave, computer(cave) as home:
            cave.delay = 0.05
            counts = {FIRST: _counted(cave, home, LOAD, ALL)}
            counts[AGAIN] = _counted(cave, home, LOAD, ALL, ALL) - counts[FIRST]
            for _ in range(runs):
                one = seconds(home, LOAD, CHECK, CHECK)[1:]
                many = seconds(home, LOAD, ALL, ALL)[1:]
                for when, few, all_of_them in zip(ratios, one, many, strict=True):
                    found.setdefault((when, 1), []).append(few)
                    found.setdefault((when, number), []).append(all_of_them)
                    ratios[when] += [all_of_them / few] if number == most else []
    results.datastacks = {when: [(n, median(took)) for (w, n), took in found.items() if w == when] for when in ratios}
    for when, curve in results.datastacks.items():
        what = f"`%cave_check --all`, {most} datastacks, 50 ms a response, {when}"
        beside = f"{median(ratios[when]):.1f} times one datastack; {counts[when] / most:.2f} requests a datastack"
        results.add(what, "", f"{curve[-1][1]:.2f} s", f"{beside}, {counts[when]} in all")


def many_files(results: Results, runs: int, most: int) -> None:
    """A check with more and more files in the secrets folder: the best of seven in each kernel, after the first."""
    counts = [count for count in (0, 10, 100, 1000, 10_000) if count <= most]
    with Sandbox() as cave, contextlib.ExitStack() as stack:
        homes = {count: stack.enter_context(computer(cave, count)) for count in counts}
        found: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(runs):
            for count, home in homes.items():
                found[count] += [min(seconds(home, LOAD, *[CHECK] * 8)[2:])]
        results.files += [(count + 2, median(values)) for count, values in found.items()]
    more = median(a - b for a, b in zip(found[counts[-1]], found[0], strict=True))
    last = ms(found[counts[-1]])
    results.add(
        f"second `%cave_check`, {counts[-1]:,} more files", "", last, f"{round(more * 1000):+d} ms beside two files"
    )


def silence(results: Results) -> None:
    """A server that never responds: when the check ends, and whether `CAVEclient(...)` ends within 30 s."""
    with Sandbox() as cave, computer(cave) as home:
        cave.misbehave("all", "silent")
        took = seconds(home, LOAD, CHECK)[1]
        try:
            client = f"{seconds(home, CLIENT, at_most=30)[0]:.1f} s"
        except subprocess.TimeoutExpired:
            client = "not yet after 30 s"
    results.add("a server that never responds", client, f"{took:.1f} s", "")


# ---------------------------------------------------------------- the table and the pictures


THEIR_REQUESTS = (
    "/auth/api/v1/user/cache", "/auth/api/v1/user/token", "/info/api/v2/datastacks",
    "/info/api/v2/datastack/full/minnie65_public",
)  # fmt: skip
"""What `cave-magic save` requests of a server, to find out whose token it is and what it can read."""


def script(results: Results, runs: int) -> None:
    """`cave-magic save --from-env` of a job, compared with `import requests` and the same requests, in turn."""
    plain, saved = [], []
    with Sandbox() as cave, computer(cave) as home:
        cave.delay = 0.1
        environ = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "CAVE_TOKEN": cave.new_token("ada")}
        send = "import os, requests\nheaders = {'Authorization': 'Bearer ' + os.environ['CAVE_TOKEN']}\n"
        send += f"for path in {THEIR_REQUESTS}: requests.get({cave.server!r} + path, headers=headers, timeout=30)"
        words = ("save", "--from-env", "CAVE_TOKEN", "--overwrite", "--server", cave.server)
        for _ in range(runs + 1):
            for times, rest in ((plain, ("-c", send)), (saved, ("-m", "cave_magic", *words))):
                (home / ".cloudvolume" / "secrets" / ".cave_magic.job").unlink(missing_ok=True)  # else it asks nobody
                start = time.perf_counter()
                subprocess.run([sys.executable, *rest], env=environ, capture_output=True, timeout=100, check=True)
                times.append(time.perf_counter() - start)
    ratio = median(ours / theirs for ours, theirs in zip(saved[1:], plain[1:], strict=True))
    what = "a job: `import requests` and its requests, `cave-magic save --from-env`"
    results.add(what, ms(plain[1:]), ms(saved[1:]), f"{ratio:.2f} times, with 100 ms for each request")


def machine() -> str:
    """The machine and the versions."""
    names = ("caveclient", "ipython", "requests", "urllib3")
    packages = ", ".join(f"{name} {version(name)}" for name in names if _is_here(name))
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"


def write(results: Results, folder: Path, runs: int) -> None:
    """Writes the table and the pictures, which the documentation shows."""
    busy = f"{os.getloadavg()[1]:.0f}" if hasattr(os, "getloadavg") else "an unknown number"
    load = f"load average {busy} at the end: above the number of cores, other programs slow all of it down"
    lines = [
        "| | caveclient | by hand | cave-magic | |",
        "|---|---:|---:|---:|---|",
        *(f"| {' | '.join(row)} |" for row in results.rows),
    ]
    lines += [
        "",
        f"Medians and quartiles of {runs} runs (growth: {max(1, runs // 3)}), each in a fresh process, in turn, so that "
        "neighbours are pairs; ratios are medians of pairs. By hand: the same requests sent with requests in the best "
        f"order, and the same imports. {machine()}; {load}.",
        "",
    ]
    table = "\n".join(lines)
    (folder / "results.md").write_text(table, encoding="utf-8")
    draw(folder, results.bars, results.datastacks, results.files)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="how often each pair is run")
    parser.add_argument("--datastacks", type=int, default=100)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), help="the parts to run")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder for the table and the picture")
    args = parser.parse_args(arguments)
    args.out.mkdir(parents=True, exist_ok=True)  # before minutes of work
    results = Results()
    for part in args.only:
        PARTS[part](results, args)
    write(results, args.out, args.runs)


PARTS: dict[str, Callable[[Results, argparse.Namespace], None]] = {
    "load": lambda results, args: load(results, args.runs),
    "check": lambda results, args: first_and_second(results, args.runs),
    "datastacks": lambda results, args: many_datastacks(results, max(1, args.runs // 3), args.datastacks),
    "sick": lambda results, args: sick(results, args.runs),
    "leftovers": lambda results, args: leftovers(results, args.runs),
    "files": lambda results, args: many_files(results, max(1, args.runs // 3), args.files),
    "script": lambda results, args: script(results, args.runs),
    "silence": lambda results, args: silence(results),
}

if __name__ == "__main__":
    main()
