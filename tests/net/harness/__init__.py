"""What the network tests are written with: an internet of namespaces, NATs, links with a delay, captures,
and wayleave's daemons in it. Python's standard library only; root only; nothing leaves the namespaces."""

from .capture import Capture, Kind, Packet
from .daemon import DIRECT, Hub, Node, binary
from .nat import Nat
from .network import Host, Network, Router
from .proof import prove_direct, prove_nodes_direct, prove_none_crossed, transfer
from .run import Run
from .traffic import Pinger, bulk, echoes, first_reply, ping
from .wait import Deadline, wait_for
