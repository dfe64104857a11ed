"""A virtual machine with Debian's own kernel and its virtual camera; the rest of its disk is this machine's, read-only.

::

    linux-image-amd64 (vmlinuz, modules) + busybox -> initrd --qemu, emulated--> insmod, mount / by 9p, chroot, command
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import absent

WANTED = ("virtio_pci", "9pnet_virtio", "9p", "vivid")
VIVID = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"  # one capture device, one input: a webcam
PLACE = "/tmp/vivid"  # in the guest, for busybox and the module
PLUG = f"{PLACE}/busybox rmmod vivid && {PLACE}/busybox insmod {PLACE}/vivid.ko {VIVID}"
PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "depmod")
PACKAGES = "qemu-system-x86 busybox-static cpio kmod linux-image-amd64"
INIT = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev
for m in $($b cat /m/order); do
  case $m in vivid.ko) $b insmod /m/$m {VIVID};; *) $b insmod /m/$m;; esac
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
$b mount -t tmpfs tmp /host/tmp; $b mount -t proc proc /host/proc; $b mount -t sysfs sys /host/sys
$b mount --bind /dev /host/dev; $b mkdir /host{PLACE}; $b cp /m/vivid.ko /bin/busybox /command /host{PLACE}
$b chroot /host /bin/sh {PLACE}/command
$b poweroff -f
"""


@dataclass(frozen=True)
class Kernel:
    """One of Debian's.

    Attributes:
        image: vmlinuz.
        modules: its folder below lib/modules.
    """

    image: Path
    modules: Path


def kernel() -> Kernel:
    """The newest that is installed, or unpacked at VIVID_ROOT (dpkg-deb -x linux-image-*.deb FOLDER)."""
    root = Path(os.environ.get("VIVID_ROOT", "/"))
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    images = sorted(root.glob("boot/vmlinuz-*-amd64"))
    if missing or not images:
        absent(f"apt install {PACKAGES} (not here: {', '.join(missing) or 'a kernel'})")
    return Kernel(images[-1], root / "lib/modules" / images[-1].name.removeprefix("vmlinuz-"))


def ran(folder: Path, found: Kernel, command: str, limit_s: float) -> str:
    """What a shell command prints in the machine.

    Args:
        folder: for the initrd.
        found: to boot.
        command: run as root with this machine's files, read-only but for /tmp.
        limit_s: for all of it, seconds.
    """
    initrd = _initrd(folder, found, command)
    share = "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    words = [
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        "1500",
        "-smp",
        "2",
        "-nographic",
        "-no-reboot",
    ]
    words += ["-net", "none", "-kernel", found.image, "-initrd", initrd, "-virtfs", share]
    words += ["-append", "console=ttyS0 quiet panic=-1"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=limit_s, check=False)
    return done.stdout.decode(errors="replace")


def _initrd(folder: Path, found: Kernel, command: str) -> Path:
    root, busybox = folder / "initrd", shutil.which("busybox")
    assert busybox is not None
    for name in ("bin", "m", "host", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    modules = _in_order(found.modules)
    for module in modules:
        shutil.copy(found.modules / module, root / "m")
    (root / "m/order").write_text("\n".join(Path(module).name for module in modules) + "\n")
    (root / "command").write_text(command)
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), capture_output=True, check=True
    )
    place = folder / "initrd.gz"
    place.write_bytes(gzip.compress(packed.stdout, 1))
    return place


def _in_order(modules: Path) -> list[str]:
    """Files of the wanted modules, each behind those that it needs."""
    listed = modules / "modules.dep"
    if not listed.exists():
        subprocess.run(["depmod", "-b", modules.parents[2], modules.name], check=True)
    needs = {name: rest.split() for name, _, rest in (line.partition(":") for line in listed.read_text().splitlines())}
    order: list[str] = []

    def add(name: str) -> None:
        if name not in order:
            for need in needs[name]:
                add(need)
            order.append(name)

    for wanted in WANTED:
        add(next(name for name in needs if Path(name).stem == wanted))
    return order
