"""A small disk in place of a folder, which can be full."""

import contextlib
import errno
import os
import shutil
import subprocess

BLOCK = 4096


class SmallDisk:
    def __init__(self, folder):
        self._ballast = os.path.join(folder, "ballast")

    def fill(self):
        """Not a block is left."""
        with open(self._ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(BLOCK))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def free(self):
        os.unlink(self._ballast)


@contextlib.contextmanager
def small_disk(folder, size):
    """The folder's files are on a disk of so many bytes until the block ends; they come and go with it, so
    nobody may have them open then."""
    kept = folder + ".kept"
    shutil.copytree(folder, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(kept)
