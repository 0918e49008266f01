#!/usr/bin/env bash
# AutoQoS on Windows' own CPython, under Wine: what can be checked of Windows without a Windows machine.
#
#   wine.sh setup            Wine, CPython for Windows, its packages: about 3 minutes, 3 GB below $W
#   wine.sh check            what CI runs: the tests of all Windows code, the filters, the life of `autoqos up`; 10 minutes
#   wine.sh whole            the same with every test of the project: 15 to 25 minutes
#   wine.sh tests PATH…      these tests
#   wine.sh python ARG…      that Python, in a copy of this checkout
#
# W=FOLDER keeps the set-up between runs (default: below the user's cache); PYTHON=3.11 takes CPython 3.11 in place of 3.13.
# Debian's packages, Maven's and pip's repositories provide everything. Seen on Debian 12 with Wine 8.0 as root.
# What Wine cannot do is named in wine_lacks.py; Windows itself is the judge.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
what=${1:?setup, check, whole, tests or python}; shift
version=${PYTHON:-3.13}
case $version in
  3.13) artifact=3.13.5-1.5.12; tag=313 ;;
  3.11) artifact=3.11.3-1.5.9; tag=311 ;;
  *) echo "PYTHON is 3.11 or 3.13" >&2; exit 2 ;;
esac
runtime=1.5.12
W=${W:-${XDG_CACHE_HOME:-$HOME/.cache}/autoqos-wine}/$version
mkdir -p "$W"
export WINEPREFIX=$W/prefix WINEARCH=win64 WINEDEBUG=-all DISPLAY=${WINE_DISPLAY:-:79}
export WINEDLLOVERRIDES="ucrtbase=n,b;winedbg.exe=d;mscoree=d;mshtml=d"
copy=$W/checkout

wine_python() { # cat: CPython 3.13 cannot write to Wine's handle of a plain file
  wine "$W/python/python.exe" "$@" </dev/null 2> >(cat >&2) | cat; return "${PIPESTATUS[0]}"
}

packages() {
  local missing=()
  for name in wine Xvfb x86_64-w64-mingw32-dlltool mvn unzip rsync git; do command -v "$name" >/dev/null || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends wine wine64 xvfb binutils-mingw-w64-x86-64 unzip rsync git >/dev/null
  command -v mvn >/dev/null || apt-get install -y -qq --no-install-recommends maven >/dev/null
}

fetch() { # artifact version: the jar for windows-x86_64, unpacked into $W/$1
  mvn -q -B dependency:copy -Dartifact="org.bytedeco:$1:$2:jar:windows-x86_64" -DoutputDirectory="$W/jars"
  rm -rf "${W:?}/$1"; unzip -qo "$W/jars/$1-$2-windows-x86_64.jar" -d "$W/$1"
}

library() { # name: an import library's DLL from $W/$1.def
  x86_64-w64-mingw32-dlltool -d "$1.def" -e "$1.exp" -D "$1.dll"
  x86_64-w64-mingw32-ld -shared --subsystem windows -e 0 -o "python/$1.dll" "$1.exp"
}

interpreter() {
  cd "$W"
  fetch cpython "$artifact"; fetch javacpp "$runtime"
  local from=$W/cpython/org/bytedeco/cpython/windows-x86_64
  rm -rf python; mkdir -p python/DLLs
  cp "$from"/bin/python*.exe "$from/python$tag.dll" python/; cp -r "$from/lib" python/Lib
  mv python/Lib/*.pyd python/Lib/*.dll python/DLLs/; cp python/DLLs/vcruntime*.dll python/
  rm -f python/DLLs/_wmi.pyd                          # Wine 8: propsys.VariantToString is a stub that aborts
  find javacpp \( -name ucrtbase.dll -o -name 'msvcp140*.dll' \) -exec cp {} python/ \;  # Wine's has no complex numbers
  { echo "LIBRARY python3.dll"; echo EXPORTS
    x86_64-w64-mingw32-objdump -p "python/python$tag.dll" |
      awk '/Ordinal\/Name Pointer\] Table/{f=1;next} f==1&&NF==0{f=2} f==1{print $NF}' | sort -u | sed "s/.*/  & = python$tag.&/"
  } > python3.def
  library python3
  printf 'LIBRARY bcryptprimitives.dll\nEXPORTS\n  ProcessPrng = advapi32.SystemFunction036\n' > bcryptprimitives.def
  library bcryptprimitives
  rm -rf cpython javacpp jars
}

wheels() {
  cd "$W"
  python3 - "$root/pyproject.toml" > requirements.txt <<'P'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()  # Debian 11's Python has no tomllib
def listed(name):
    block = re.search(rf"^{name} = \[\n(.*?)^\]", text, re.M | re.S).group(1)
    return [line.split(";")[0].strip() for line in re.findall(r'^    "([^"]+)', block, re.M)]
tests = ("pytest", "pytest-asyncio", "pytest-randomly", "pytest-timeout", "hypothesis", "grafana-foundation-sdk")
print("\n".join(listed("dependencies")))
print("\n".join(d for d in listed("dev") if re.split(r"[>=<\[]", d)[0] in tests))
print("scikit-learn>=1.5,<2\ncolorama\ntzdata")
P
  local options=(-q --disable-pip-version-check --platform win_amd64 --python-version "$version" --implementation cp
    --abi "cp$tag" --abi abi3 --abi none --only-binary=:all:)
  python3 -m pip download "${options[@]}" -d wheels -r requirements.txt
  python3 -m pip download "${options[@]}" -d more 'statsforecast>=2.0,<3'   # its numpy bound differs: the first one stays
  python3 - <<'P'
import glob, os, zipfile
def name(path): return os.path.basename(path).split("-")[0].lower()
first = glob.glob("wheels/*.whl"); known = {name(path) for path in first}
for path in first + [path for path in glob.glob("more/*.whl") if name(path) not in known]:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            parts = entry.split("/", 2)
            data = parts[0].endswith(".data")
            if entry.endswith("/") or (data and parts[1] not in ("purelib", "platlib")): continue
            target = os.path.join("python/Lib/site-packages", parts[2] if data else entry)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file: file.write(archive.read(entry))
P
  rm -rf wheels more
}

setup() {
  packages
  [ -e "$W/python/python.exe" ] || interpreter
  [ -d "$W/python/Lib/site-packages/statsforecast" ] || wheels
  if [ ! -e "$W/prefix/system.reg" ]; then
    wine wineboot -i </dev/null >/dev/null 2>&1 || true
    wine winecfg -v win10 </dev/null >/dev/null 2>&1 || true
  fi
  refresh
  wine_python -c "import sys, ssl, sqlite3, ctypes, asyncio, multiprocessing, numpy, pandas, psutil, pydantic, pydivert, textual; print('CPython', sys.version.split()[0], 'on Windows', *sys.getwindowsversion()[:3])"
}

refresh() { rsync -a --delete --exclude .git --exclude .venv --exclude __pycache__ --exclude '.*_cache' --exclude .hypothesis "$root/" "$copy/"; }

tests() {
  cd "$copy"; local failed=0
  for path in "$@"; do
    echo "== $path"
    wine_python -m pytest -q --tb=short -rs -p no:randomly -p no:cacheprovider -o timeout=300 --continue-on-collection-errors \
      -m "not packets and not server and not train and not browser" "$path" || failed=1
  done
  return $failed
}

# A part of the tests that reaches all code written for Windows.
CHECKED=(tests/qos/packets tests/qos/system tests/qos/service tests/qos/store/sqlite/opening tests/enforcer/datapath
  tests/enforcer/test_loop.py tests/collector/capture tests/console/commands tests/console/supervisor tests/windows)
ALL=(tests/qos tests/collector tests/enforcer tests/console tests/forecaster tests/grafana tests/windows
  tests/test_architecture.py tests/test_compose.py tests/test_docs.py tests/test_influx_init.py)

command -v Xvfb >/dev/null || packages
Xvfb "$DISPLAY" -screen 0 800x600x16 >/dev/null 2>&1 & display=$!
trap 'wineserver -k 2>/dev/null || true; kill $display 2>/dev/null || true' EXIT
case $what in
  setup) setup ;;
  check | whole)
    setup
    status=0
    if [ "$what" = check ]; then tests "${CHECKED[@]}" || status=1; else tests "${ALL[@]}" || status=1; fi
    cd "$copy"
    wine_python tests/windows/check_filters.py || status=1
    wine_python tests/windows/check_life.py || status=1
    exit $status ;;
  tests) refresh; tests "$@" ;;
  python) refresh; cd "$copy"; wine_python "$@" ;;
  *) echo "setup, check, whole, tests or python" >&2; exit 2 ;;
esac
