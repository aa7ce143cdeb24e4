"""The gateway's main program: starts HAProxy on the stored routes and takes new ones on its own port.

Called as the image's command.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from workloads import contract, tokens
from workloads.gateway import hosts
from workloads.gateway.channel import Channel
from workloads.gateway.config import Places
from workloads.gateway.haproxy import HAProxy, HAProxyError
from workloads.gateway.holder import Holder
from workloads.gateway.measures import Measures, Pipe
from workloads.gateway.request_log import Spool
from workloads.gateway.router import Router
from workloads.gateway.service import Service
from workloads.gateway.shadows import Shadows

_STORED: Final = Path("/var/lib/gateway/routes.json")
_SPOOL: Final = Path("/var/lib/gateway/requests")
_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_LAST_S: Final = 5.0  # for the last records, once HAProxy has ended
_FILES_PAUSE_S: Final = 1.0
_FOLDER: Final = Path("/tmp/gateway")  # noqa: S108  the container's own tmpfs


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM or until HAProxy ends; the exit code."""
    stack = environ.get("CAIRN_STACK", "")
    if not stack:
        print("gateway: CAIRN_STACK is not set; it must be the stack's name, the issuer of its tokens", file=sys.stderr)
        return 1
    try:
        keys, people = (contract.SecretFile(name) for name in (contract.SECRET_SIGNING_KEY, tokens.FILE_PEOPLE))
        _FOLDER.mkdir(mode=0o700, exist_ok=True)
        domain = hosts.domain(environ, _RESOLV_CONF.read_text(encoding="utf-8"))
        places = Places(_FOLDER, Path(__file__).with_name("prediction.lua"), domain)
        measures = Measures()
        pipe = Pipe(measures)
        spool = Spool(_SPOOL)
        shadows = Shadows(measures, Path(places.shadow_socket))
        channel = Channel(spool, shadows)
        haproxy = HAProxy(places, pipe.writer, channel.writer)
        router = Router(haproxy, places, _STORED, stack)
        holder = Holder(router.find, domain)
        router.use_keys(tokens.ring(keys))
        router.use_people(tokens.named(people))
        router.start()
    except (RuntimeError, ValueError, OSError, HAProxyError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: _stop(haproxy, shadows))
    service = Service(router, measures, holder, spool, shadows, tokens.verifier(stack, keys, people))
    logging = threading.Thread(target=channel.read, daemon=True)
    logging.start()
    hold = partial(holder.run, Path(places.hold_socket))
    for work in (pipe.read, service.serve_forever, hold, shadows.run, partial(_keep_up, router, keys, people)):
        threading.Thread(target=work, daemon=True).start()
    print(f"gateway: serving on port {contract.GATEWAY_PORT}, routes on port {contract.GATEWAY_AGENT_PORT}", flush=True)
    code = haproxy.wait()
    channel.close()
    logging.join(_LAST_S)
    return code


def _stop(haproxy: HAProxy, shadows: Shadows) -> None:
    shadows.stop()
    haproxy.stop()


def _keep_up(router: Router, keys: contract.SecretFile, people: contract.SecretFile) -> None:
    """Have HAProxy verify by the keys and the people that the files have now, for ever."""
    uses: dict[str, Callable[[], None]] = {
        "signing keys": lambda: router.use_keys(tokens.ring(keys)),
        "people": lambda: router.use_people(tokens.named(people)),
    }
    while True:
        time.sleep(_FILES_PAUSE_S)
        for what, use in uses.items():
            try:
                use()
            except (ValueError, OSError, HAProxyError) as error:
                print(f"gateway: the new {what} are not in use yet: {error}", file=sys.stderr, flush=True)
