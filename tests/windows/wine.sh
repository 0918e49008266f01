#!/usr/bin/env bash
# AutoQoS on Windows' own CPython, under Wine: what can be checked of Windows without a Windows machine.
#
#   wine.sh setup            Wine, CPython for Windows, its packages: about 3 minutes, 3 GB below $W
#   wine.sh check            what CI runs: tests of the code written for Windows, every filter text; below 10 minutes
#   wine.sh whole            every test of the project, the filters, the life of `autoqos up`: half an hour
#   wine.sh tests PATH…      these tests
#   wine.sh python ARG…      that Python, in a copy of this checkout
#
# W=FOLDER keeps the set-up between runs (default: below the user's cache); PYTHON=3.11 takes CPython 3.11 in place of 3.13.
# Debian's packages (64-bit Wine alone), Maven's central repository and Python's index provide everything, each by its own
# tool; what cannot be fetched ends this with status 1 and a line that says what. Seen on Debian 12 with Wine 8.0 as root.
# What Wine cannot do is named in wine_lacks.py; Windows itself is the judge.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd); root=$(cd "$here/../.." && pwd)
what=${1:?setup, check, whole, tests or python}; shift
# Wine looks for the owner of each socket through the descriptors of every process in sight, and all use of files waits for
# that: beside a busy machine's processes and sockets each start takes 20 s. So the tests run in namespaces of their own.
alone() { unshare --pid --net --fork --kill-child --mount-proc bash -c 'ip link set lo up && exec "$@"' alone "$@"; }
if [ -z "${AUTOQOS_WINE_ALONE:-}" ] && [[ $what != setup && $what != models ]] && alone true 2>/dev/null; then
  if [[ $what == check || $what == whole ]]; then "$0" setup; fi   # what needs the network
  if [ "$what" = whole ]; then "$0" models; fi
  AUTOQOS_WINE_ALONE=1 alone "$0" "$what" "$@"; exit
fi
version=${PYTHON:-3.13}
case $version in
  3.13) artifact=3.13.5-1.5.12; tag=313; checksum=cfe5502ffa7ea369be707b6d88bf68344732a7800450665080fb4267c01bfeae ;;
  3.11) artifact=3.11.3-1.5.9; tag=311; checksum=3263a50b256447bb7b9e604d6587627e419891370fc33b94469e6a06ff4de834 ;;
  *) echo "PYTHON is 3.11 or 3.13" >&2; exit 2 ;;
esac
runtime=1.5.12; runtime_checksum=282ac3f7a9296fa1184af490a1e56386e511775d41a675967d33746afc72103d
W=${W:-${XDG_CACHE_HOME:-$HOME/.cache}/autoqos-wine}/$version
mkdir -p "$W"
export WINEPREFIX=$W/prefix WINEARCH=win64 WINEDEBUG=-all DISPLAY=${WINE_DISPLAY:-:79}
export WINEDLLOVERRIDES="ucrtbase=n,b;winedbg.exe=d;mscoree=d;mshtml=d"
export PATH=$PATH:$W/tools/bin UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1  # the certificates that the other tools use
export LC_ALL=C.UTF-8            # else Wine finds no file whose name is not ASCII
unset AUTOQOS_TEST_REQUIRE       # what Wine lacks is skipped, and listed at the end
copy=$W/checkout

PACKAGES=(binutils-mingw-w64-x86-64 maven python3-venv rsync unzip wine wine64 xvfb)

wine_python() { # cat: CPython 3.13 cannot write to Wine's handle of a plain file
  wine "$W/python/python.exe" "$@" </dev/null 2> >(cat >&2) | cat; return "${PIPESTATUS[0]}"
}

bounded() { # the same, for at most 40 minutes; what a failed run left behind would hold the pipe open, so it is ended too
  { status=0; timeout -k 20 2400 wine "$W/python/python.exe" "$@" </dev/null 2>&1 || status=$?
    [ $status -eq 0 ] || wineserver -k || true; exit $status; } | cat
  return "${PIPESTATUS[0]}"
}

die() { echo "wine.sh: $*" >&2; exit 1; }
retry() { for attempt in 1 2 3; do "$@" && return 0; sleep $((attempt * 5)); done; return 1; }

packages() {
  local missing=()
  for name in wine Xvfb x86_64-w64-mingw32-dlltool mvn unzip rsync; do command -v "$name" >/dev/null || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  export DEBIAN_FRONTEND=noninteractive
  retry apt-get update -qq || die "Debian's packages cannot be fetched; missing here: ${missing[*]}"
  retry apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}" >/dev/null || die "cannot be installed: ${missing[*]}"
}

fetch() { # artifact version sha256: the jar for windows-x86_64, unpacked into $W/$1
  local jar=$W/jars/$1-$2-windows-x86_64.jar
  retry mvn -q -B dependency:copy -Dartifact="org.bytedeco:$1:$2:jar:windows-x86_64" -DoutputDirectory="$W/jars" ||
    die "CPython for Windows comes from Maven's central repository (org.bytedeco:$1:$2), which cannot be reached from here"
  sha256sum --status -c <<<"$3  $jar" || die "$jar is not the file that was checked: its SHA-256 is $(sha256sum <"$jar")"
  rm -rf "${W:?}/$1"; unzip -qo "$jar" -d "$W/$1"
}

library() { # name: an import library's DLL from $W/$1.def
  x86_64-w64-mingw32-dlltool -d "$1.def" -e "$1.exp" -D "$1.dll"
  x86_64-w64-mingw32-ld -shared --subsystem windows -e 0 -o "python/$1.dll" "$1.exp"
}

interpreter() {
  cd "$W"
  fetch cpython "$artifact" "$checksum"; fetch javacpp "$runtime" "$runtime_checksum"
  local from=$W/cpython/org/bytedeco/cpython/windows-x86_64
  rm -rf python requirements.txt; mkdir -p python/DLLs
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
  if ! command -v uv >/dev/null; then
    python3 -m venv tools
    retry tools/bin/pip install -q --disable-pip-version-check uv || die "uv is not installed and cannot be"
  fi
  python3 - "$root/pyproject.toml" > wanted.txt <<'P'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()  # Debian 11's Python has no tomllib
def listed(name):
    block = re.search(rf"^{name} = \[\n(.*?)^\]", text, re.M | re.S).group(1)
    return [line.split(";")[0].strip() for line in re.findall(r'^    "([^"]+)', block, re.M)]
elsewhere = {"autoqos", "mypy", "pandas-stubs", "pre-commit", "ruff"}  # and types-…; Playwright is imported, no more
print("\n".join(listed("dependencies")))
print("\n".join(d for d in listed("dev") if (name := re.split(r"[>=<\[]", d)[0]) not in elsewhere and name[:6] != "types-"))
print("scikit-learn>=1.5,<2")
P
  echo "# $(sha256sum <"$root/requirements.lock")" >> wanted.txt
  ! cmp -s wanted.txt requirements.txt || return 0   # all of them are there, as locked
  local options=(-q --python-platform x86_64-pc-windows-msvc --python-version "$version" --only-binary :all:)
  # Who installs it on Windows has no compiler: every locked package must have a wheel for this Python there.
  retry uv pip install "${options[@]}" --dry-run --require-hashes --target none -r "$root/requirements.lock" ||
    die "requirements.lock names a package without a wheel for CPython $version on Windows: see above"
  retry uv pip install "${options[@]}" --target python/Lib/site-packages -c "$root/requirements.lock" -r wanted.txt ||
    die "the packages for Windows cannot be fetched"
  mv wanted.txt requirements.txt
}

models() { # what only the forecaster's tests need; the numpy that is there stays
  [ ! -d "$W/python/Lib/site-packages/statsforecast" ] || [ ! -d "$W/python/Lib/site-packages/lightgbm" ] || return 0
  cd "$W"
  retry uv pip install -q --python-platform x86_64-pc-windows-msvc --python-version "$version" --only-binary :all: \
    --target more -c "$root/requirements.lock" statsforecast lightgbm || die "statsforecast and LightGBM for Windows cannot be fetched"
  rsync -a --ignore-existing more/ python/Lib/site-packages/
  rm -rf more
}

setup() {
  packages
  [ -e "$W/python/python.exe" ] || interpreter
  wheels
  # Wine 8 ends a program that calls CopyFile2, as shutil.copy2 does from Python 3.12 on; without it shutil takes its old way.
  printf 'import _winapi\nif hasattr(_winapi, "CopyFile2"):\n    del _winapi.CopyFile2\n' > "$W/python/Lib/site-packages/sitecustomize.py"
  printf 'D:\\\n' > "$W/python/Lib/site-packages/autoqos.pth"   # as if it were installed
  if [ ! -e "$W/prefix/system.reg" ]; then
    wine wineboot -i </dev/null >/dev/null 2>&1 || true
    wine winecfg -v win10 </dev/null >/dev/null 2>&1 || true
  fi
  refresh
  wine_python -c "import sys, ssl, sqlite3, ctypes, asyncio, multiprocessing, numpy, pandas, psutil, pydantic, pydivert, textual; print('CPython', sys.version.split()[0], 'on Windows', *sys.getwindowsversion()[:3])"
}

refresh() { # on a drive of its own: on Wine's Z: a path like /proc or /usr would lead to Linux' files
  rsync -a --delete --exclude .git --exclude .venv --exclude __pycache__ --exclude '.*_cache' --exclude .hypothesis "$root/" "$copy/"
  ln -sfn "$copy" "$WINEPREFIX/dosdevices/d:"
}

# Who asks Wine for a window first starts the desktop, which then holds that program's output pipe open for as long as it
# lives: the first to ask is one that nobody waits for.
DESKTOP='import ctypes, time; print(ctypes.windll.user32.GetDesktopWindow(), flush=True); time.sleep(3000)'
desktop() {
  coproc HOLDER { exec wine "$W/python/python.exe" -c "$DESKTOP" </dev/null 2>/dev/null; }
  holder=$HOLDER_PID   # Bash forgets its own variable when that program ends
  read -r -t 120 -u "${HOLDER[0]:-0}" _ || echo "== no desktop: what asks for a window may not end"
}

part() { # path: in a process of its own, so that what ends it loses no other
  echo "== $1"
  local status=0
  desktop
  bounded -m pytest -q --tb=short -rfEs -p no:randomly -p no:cacheprovider -o timeout=600 --continue-on-collection-errors \
    -m "not packets and not server and not train and not browser" "$1" | tee "$W/part.log" || status=$?
  [ $status != 5 ] || status=0   # 5: all of its tests are of another kind
  kill "$holder" 2>/dev/null || true; wait "$holder" 2>/dev/null || true
  ended=0; grep -qE '^(=+ )?[0-9]+ (passed|failed|skipped|deselected|error)|^no tests' "$W/part.log" || ended=1
  return $status
}

tests() { # a folder that was ended before its end is run again file by file: the list at the end is always whole
  cd "$copy"; local failed=0 path file
  for path in "$@"; do
    part "$path" || failed=1
    if [ $ended = 1 ] && [ -d "$path" ]; then
      echo "== $path: ended before its end; its files one by one"
      for file in $(find "$path" -name 'test_*.py' | sort); do
        part "$file" || true
        [ $ended = 0 ] || echo "ENDED $file: before its end, the last lines above say why" | tee -a "$W/part.log"
        cat "$W/part.log" >> "$W/summary.log"
      done
    else
      [ $ended = 0 ] || echo "ENDED $path: before its end, the last lines above say why" | tee -a "$W/part.log"
      cat "$W/part.log" >> "$W/summary.log"
    fi
  done
  return $failed
}

summary() { # all skips with their reasons, what failed, and the sums
  echo "== skipped, by reason"
  sed -nE 's/\r$//; s/^SKIPPED \[([0-9]+)\] ([^ ]+): (.*)$/\1 \2 \3/p' "$W/summary.log" |
    awk '{n=$1; $1=""; file=$2; $2=""; sub(/^ +/, ""); count[$0]+=n; where[$0]=where[$0] " " file} END {for (r in count) print count[r] "  " r ":" where[r]}' | sort -rn
  echo "== failed"
  grep -aE '^(FAILED|ERROR|ENDED) ' "$W/summary.log" || echo "none"
  grep -oE '[0-9]+ (passed|failed|skipped|error)' "$W/summary.log" |
    awk '{sum[$2]+=$1} END {printf "== in all: %d passed, %d failed, %d errors, %d skipped\n", sum["passed"], sum["failed"], sum["error"], sum["skipped"]}'
}

# Parts that reach the code written for Windows, none of which depends on how fast programs start.
CHECKED=(tests/qos/packets tests/qos/contract/documents tests/enforcer/datapath tests/enforcer/game_mode tests/enforcer/test_loop.py
  tests/collector/capture tests/console/service tests/windows)

command -v Xvfb >/dev/null || packages
Xvfb "$DISPLAY" -screen 0 800x600x16 >/dev/null 2>&1 & display=$!
trap 'wineserver -k 2>/dev/null || true; kill $display 2>/dev/null || true' EXIT
case $what in
  setup) setup ;;
  models) models ;;
  check | whole)
    [ -n "${AUTOQOS_WINE_ALONE:-}" ] || setup
    refresh; status=0; rm -f "$W/summary.log"
    if [ "$what" = check ]; then tests "${CHECKED[@]}" || status=1; else
      [ -n "${AUTOQOS_WINE_ALONE:-}" ] || models
      cd "$copy"
      tests tests/forecaster/[a-z]*/ tests/console/page/[a-z]*/ tests/console/page/test_*.py tests/console/[a-oq-z]*/ \
        tests/console/test_*.py tests/qos/[a-z]*/ tests/collector tests/enforcer tests/grafana tests/windows tests/test_*.py || status=1
    fi
    summary; cd "$copy"
    wine_python tests/windows/check_filters.py || status=1
    [ "$what" = check ] || wine_python tests/windows/check_life.py || status=1
    exit $status ;;
  tests) refresh; rm -f "$W/summary.log"; status=0; tests "$@" || status=1; summary; exit $status ;;
  python) refresh; cd "$copy"; wine_python "$@" ;;
  *) echo "setup, check, whole, tests or python" >&2; exit 2 ;;
esac
