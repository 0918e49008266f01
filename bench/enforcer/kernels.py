"""Limits on other kernels: boots each under qemu's software emulation, on this machine's own files, and reports JSON.

    apt-get download linux-image-6.1.0-50-amd64            # Debian: one package holds kernel and modules
    apt-get download linux-{image,modules,modules-extra}-5.15.0-150-generic              # Ubuntu: three
    sudo .venv/bin/python -m bench.enforcer.kernels FOLDER [VERSION ...]

``FOLDER`` holds the packages. Needs qemu-system-x86, busybox-static, cpio, kmod, dpkg-deb. The machine's root is shared
read-only (9p), so the guest has the same Python and iperf3; ``bench.enforcer.on_kernel`` runs inside. Emulation is ten
to thirty times slower than the processor: what is asked is whether limits hold and end, not how fast.
"""

import argparse
import gzip
import json
import lzma
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_MODULES: Final = ("virtio_pci", "9pnet_virtio", "9p")
_INIT: Final = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module; done
mkdir -p /new
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /new || poweroff -f
mount -t proc proc /new/proc; mount -t sysfs sys /new/sys; mount -t devtmpfs dev /new/dev
for each in tmp run mnt; do mount -t tmpfs tmpfs /new/$each; done
mkdir -p /new/run/netns /new/mnt/lib /new/tmp/shm; ln -s {modules} /new/mnt/lib/modules
printf '#!/bin/sh\\nexec chroot /new /usr/sbin/modprobe -d /mnt "$@"\\n' > /modprobe; chmod +x /modprobe
echo /modprobe > /proc/sys/kernel/modprobe
mount -t cgroup2 none /new/sys/fs/cgroup; mount -t bpf bpf /new/sys/fs/bpf
mkdir -p /new/run/shm; ip link set lo up
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
chroot /new /bin/sh -c 'modprobe -d /mnt tun; cd {root} && {python} -m bench.enforcer.on_kernel'
poweroff -f
"""


def _unpack(folder: Path, version: str, into: Path) -> None:
    for package in sorted(folder.glob(f"linux-*{version}*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(into)], check=True)
    subprocess.run(["depmod", "-b", str(into), version], check=True, capture_output=True)


def _plain(module: Path) -> bytes:
    raw = module.read_bytes()
    if module.suffix == ".xz":
        return lzma.decompress(raw)
    if module.suffix == ".gz":
        return gzip.decompress(raw)
    if module.suffix == ".zst":
        return subprocess.run(["zstd", "-dc", str(module)], check=True, capture_output=True).stdout
    return raw


def _first_files(into: Path, version: str) -> Path:
    """The initramfs: busybox, the modules that reach the shared root, and what to do."""
    top = into / "initramfs"
    for name in ("bin", "modules", "proc", "dev"):
        (top / name).mkdir(parents=True)
    shutil.copy2(shutil.which("busybox") or "/bin/busybox", top / "bin/busybox")
    order: list[str] = []
    for module in _MODULES:
        command = ["modprobe", "-d", str(into), "-S", version, "--show-depends", module]
        for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
            if line.startswith("insmod "):
                path = Path(line.split()[1])
                name = path.name.partition(".")[0] + ".ko"
                if name not in order:
                    order.append(name)
                    (top / "modules" / name).write_bytes(_plain(path))
    (top / "modules/order").write_text("\n".join(order), encoding="ascii")
    init = top / "init"
    init.write_text(_INIT.format(modules=into / "lib/modules", root=ROOT, python=sys.executable), encoding="utf-8")
    init.chmod(0o755)
    image = into / "initramfs.cpio"
    with image.open("wb") as out:
        names = "\n".join(str(path.relative_to(top)) for path in [top, *sorted(top.rglob("*"))])
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), stdout=out, cwd=top, check=True)
    return image


def boot(folder: Path, version: str, seconds: float) -> dict[str, Any]:
    """Boot this kernel; what ``bench.enforcer.on_kernel`` reported there, or the console's last lines."""
    with tempfile.TemporaryDirectory(prefix="autoqos-kernel-", dir="/var/tmp") as made:
        into = Path(made)
        _unpack(folder, version, into)
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2048"]
        command += ["-nographic", "-no-reboot", "-nic", "none", "-kernel", str(into / f"boot/vmlinuz-{version}")]
        command += ["-initrd", str(_first_files(into, version)), "-append", "console=ttyS0 loglevel=4 panic=-1"]
        share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
        command += ["-virtfs", share]
        try:
            said = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
            console = said.stdout.decode(errors="replace")
        except subprocess.TimeoutExpired as late:
            console = (late.stdout or b"").decode(errors="replace")
    found = re.findall(r"^RESULT (\{.*\})\s*$", console, re.MULTILINE)
    if found:
        result: dict[str, Any] = json.loads(found[-1])
        return result
    return {"error": "nothing was reported", "console": console[-3000:]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("versions", nargs="*", help="all that lie there by default")
    parser.add_argument("--seconds", type=float, default=1500, help="longest time for one kernel")
    options = parser.parse_args()
    there = [re.match(r"linux-image-(.+?)_", path.name) for path in sorted(options.folder.glob("linux-image-*.deb"))]
    versions = options.versions or [name[1] for name in there if name]
    result = {version: boot(options.folder, version, options.seconds) for version in versions}
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
