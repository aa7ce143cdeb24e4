"""What a job with a bucket's folder may do, and what not, on a real engine and kernel."""

import json
import platform
import signal
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.integration.controllers.conftest import Place
from tests.integration.controllers.groups import output, spec
from workloads.plans.container import Mount

SYMLINKS: Final = """
import json, os
def attempt(call, *args, **options):
    try: call(*args, **options)
    except OSError as error: return type(error).__name__
    return 'done'
def links(folder):
    fd = os.open(folder, os.O_RDONLY)
    return [attempt(os.symlink, '../other', f'{folder}/a'), attempt(os.symlink, '../other', 'b', dir_fd=fd)]
"""
# Through libc or, where libc has no function, by number: these are the same on x86_64 and aarch64, but for clone.
KERNEL: Final = """
import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
def word(result): return 'done' if result >= 0 else errno.errorcode[ctypes.get_errno()]
NEWUSER, CLONE = 0x10000000, {'x86_64': 56, 'aarch64': 220}[platform.machine()]
"""
WORK: Final = """
import subprocess, sys, threading
open('/gcs/mine/x', 'w').write('hello')
os.mkdir('/gcs/mine/d'); os.rename('/gcs/mine/x', '/gcs/mine/d/y'); os.link('/gcs/mine/d/y', '/gcs/mine/d/z')
said = []
threads = [threading.Thread(target=said.append, args=(n,)) for n in range(3)]
for each in threads: each.start()
for each in threads: each.join()
child = subprocess.run([sys.executable, '-c', 'print(open("/gcs/mine/d/z").read())'], stdout=-1, text=True)
from multiprocessing import Pool
with Pool(2) as pool: squares = pool.map(abs, [-1, -2])
print(json.dumps([sorted(said), child.stdout, squares]))
"""


@pytest.fixture
def mounts(place: Place) -> tuple[Mount, ...]:
    """Two buckets' folders, which any user may write."""
    code = "import os\nfor n in ('mine', 'second'): os.mkdir(f'/data/{n}'); os.chmod(f'/data/{n}', 0o777)"
    output(place, replace(spec(place, code, "maker"), user="0:0", mounts=(Mount(place.volume, "/data"),)))
    return tuple(Mount(place.volume, f"/gcs/{name}", subpath=name) for name in ("mine", "second"))


def said(place: Place, code: str, mounts: tuple[Mount, ...]) -> Any:
    """The JSON that this program prints, run beside these folders."""
    text = output(place, replace(spec(place, code), mounts=mounts))
    assert text.startswith(("[", "{")), text
    return json.loads(text)


def test_work_goes_on(place: Place, mounts: tuple[Mount, ...]) -> None:
    """Files, folders, renames and hard links in a bucket; threads (clone3 is refused), child processes and pools."""
    assert said(place, SYMLINKS + WORK, mounts) == [[0, 1, 2], "hello\n", [1, 2]]


def test_no_links_out_of_a_bucket(place: Place, mounts: tuple[Mount, ...]) -> None:
    """Neither call makes a symbolic link, in a bucket or elsewhere; hard links and moves stay within one bucket."""
    code = """
open('/gcs/mine/x', 'w').close()
across = [attempt(call, '/gcs/mine/x', '/gcs/second/x') for call in (os.link, os.rename)]
image = attempt(os.link, '/usr/bin/python3', '/gcs/mine/python3', follow_symlinks=False)
print(json.dumps([links('/gcs/mine'), links('/tmp'), across, image, attempt(os.mkfifo, '/gcs/mine/fifo'),
                  os.listdir('/gcs/mine')]))
"""
    denied = ["PermissionError", "PermissionError"]
    # OSError itself is EXDEV: every mount is a file system of its own to link and rename.
    expected = [denied, denied, ["OSError", "OSError"], "OSError", "PermissionError", ["x"]]
    assert said(place, SYMLINKS + code, mounts) == expected


def test_a_read_only_folder_too(place: Place, mounts: tuple[Mount, ...]) -> None:
    """A model server, which has its bucket read-only, makes no links either: a job could hand it a writable folder."""
    read_only = tuple(replace(mount, read_only=True) for mount in mounts)
    code = "print(json.dumps(links('/tmp')))"
    assert said(place, SYMLINKS + code, read_only) == ["PermissionError", "PermissionError"]


def test_without_a_bucket_links_are_free(place: Place) -> None:
    """A container without a folder of the object store keeps Docker's own profile, which allows links."""
    assert said(place, SYMLINKS + "print(json.dumps(links('/tmp')))", ()) == ["done", "done"]


def test_what_dockers_profile_denies_stays_denied(place: Place, mounts: tuple[Mount, ...]) -> None:
    """No user namespace by any of three calls, no io_uring (a link's way around the filter), keyring or personality."""
    code = """
print(json.dumps({
    'unshare': word(libc.unshare(NEWUSER)),
    'clone': word(libc.syscall(CLONE, NEWUSER | 17, 0, 0, 0, 0)),
    'clone3': word(libc.syscall(435, 0, 0)),
    'io_uring_setup': word(libc.syscall(425, 1, 0)),
    'personality': word(libc.personality(0x0400000)),
    'mount': word(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)),
    'vsock': word(libc.socket(40, 1, 0)),
    'asking for the personality': word(libc.personality(ctypes.c_ulong(0xFFFFFFFF))),
}))
"""
    answers = said(place, SYMLINKS + KERNEL + code, mounts)
    assert answers.pop("clone3") == "ENOSYS"
    assert answers.pop("asking for the personality") == "done"
    assert set(answers.values()) == {"EPERM"}, answers


# symlink("../other", "/gcs/mine/a"): by its x32 number, and as a 32-bit program calls it. The latter is machine code
# (push rbx; mov eax, 83; mov ebx, target; mov ecx, path; int 0x80; pop rbx; ret) in the lowest 4 GiB (MAP_32BIT).
X32: Final = "import ctypes; ctypes.CDLL(None).syscall(0x40000000 | 88, b'../other', b'/gcs/mine/a')"
I386: Final = """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
page = libc.mmap(None, 4096, 7, 0x62, -1, 0)
target, path = page + 256, page + 512
ctypes.memmove(target, b'../other', 9)
ctypes.memmove(path, b'/gcs/mine/a', 12)
words = [number.to_bytes(4, 'little') for number in (83, target, path)]
code = b'\\x53\\xb8' + words[0] + b'\\xbb' + words[1] + b'\\xb9' + words[2] + b'\\xcd\\x80\\x5b\\xc3'
ctypes.memmove(page, code, len(code))
ctypes.CFUNCTYPE(ctypes.c_int)(page)()
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other calls of x86 processors")
@pytest.mark.parametrize("make", [X32, I386], ids=["x32", "i386"])
def test_no_way_around_by_other_numbers(place: Place, mounts: tuple[Mount, ...], make: str) -> None:
    """A symlink by a number that the rules don't name kills its caller before anything is made."""
    code = f"""
import json, os, subprocess, sys
ended = subprocess.run([sys.executable, '-c', {make!r}]).returncode
print(json.dumps([ended, os.path.lexists('/gcs/mine/a')]))
"""
    assert said(place, code, mounts) == [-signal.SIGSYS, False]
