#!/bin/bash
# A machine of its own for systemd, in namespaces: the first process of it, its own /etc, /var, /opt, /run, /dev.
#   systemd_machine.sh STATE REPOSITORY SITE_PACKAGES BASE_PREFIX     run it behind unshare, see test_under_systemd.py
set -e
state=$1 repository=$2 packages=$3 base=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$state"
for folder in etc var opt; do
  mkdir -p "$state/$folder/new" "$state/$folder/work"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$state/$folder/new,workdir=$state/$folder/work" "/$folder"
done
# The unit sees no home folder: what it runs is shown to it below /opt.
mkdir -p /opt/vmamba-edge/{bin,repository,packages,base}
mount --bind "$repository" /opt/vmamba-edge/repository
mount --bind "$packages" /opt/vmamba-edge/packages
mount --bind "$base" /opt/vmamba-edge/base
python=$(basename "$(readlink -f "$base"/bin/python3)")
cat >/opt/vmamba-edge/bin/edge <<END
#!/bin/sh
export PYTHONHOME=/opt/vmamba-edge/base PYTHONPATH=/opt/vmamba-edge/repository:/opt/vmamba-edge/packages
export LD_LIBRARY_PATH=/opt/vmamba-edge/base/lib
exec /opt/vmamba-edge/base/bin/$python -m edge "\$@"
END
chmod 755 /opt/vmamba-edge/bin/edge
mount -t proc proc /proc
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
mknod -m 666 /dev/tty c 5 0
mkdir /dev/shm /dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mkdir -p /etc/machine-units
for target in basic default sysinit shutdown multi-user umount; do
  printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $target >/etc/machine-units/$target.target
done
export container=test SYSTEMD_UNIT_PATH=/etc/systemd/system:/etc/machine-units
exec /lib/systemd/systemd --system --log-target=console </dev/null
