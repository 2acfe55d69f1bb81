"""How a rate becomes a queue of the kernel. Pure: text for ``tc``.

A token bucket (tbf) sends at its rate with bursts of `burst_bytes`, and keeps up to `queue_bytes` waiting.

- The burst holds a few of the 64 KiB segments that TCP hands to a virtual link, and what flows in two ticks of a busy
  machine's timer: a smaller one loses rate whenever the processor is late, since unused tokens are forgotten.
- The queue holds 25 ms: less and a few flows that meet at one link lose so much that they back off below its rate; more
  and every control message waits behind the data.

A rate counts whole frames: of 1,514 bytes 1,448 are payload, so TCP can reach 0.956 of it.
"""

from __future__ import annotations

from collections.abc import Sequence

BURST_SECONDS = 0.004
LEAST_BURST_BYTES = 192 * 1024
QUEUE_SECONDS = 0.025
LEAST_QUEUE_BYTES = 512 * 1024
UNLIMITED_BITS_PER_SECOND = 40_000_000_000
"""What the parent of per-client classes gets when there is no limit in total; far beyond what one machine moves."""


def burst_bytes(bits_per_second: int) -> int:
    """How much may go out at once after a pause."""
    return max(LEAST_BURST_BYTES, int(bits_per_second / 8 * BURST_SECONDS))


def queue_bytes(bits_per_second: int) -> int:
    """How much may wait before frames are dropped."""
    return max(LEAST_QUEUE_BYTES, int(bits_per_second / 8 * QUEUE_SECONDS))


def token_bucket(bits_per_second: int) -> str:
    """One limit for everything that leaves an interface."""
    burst, limit = burst_bytes(bits_per_second), queue_bytes(bits_per_second) + burst_bytes(bits_per_second)
    return f"tbf rate {bits_per_second}bit burst {burst} limit {limit}"


def per_client(
    device: str, addresses: Sequence[str], client_bits_per_second: int, total_bits_per_second: int | None
) -> list[str]:
    """One limit for each address that an interface sends to, below one for all together."""
    total = total_bits_per_second or UNLIMITED_BITS_PER_SECOND
    lines = [f"qdisc add dev {device} root handle 1: htb default 0", _htb_class(device, "1:", 1, total)]
    for minor, address in enumerate(addresses, start=16):
        lines.append(_htb_class(device, "1:1", minor, client_bits_per_second))
        lines.append(f"qdisc add dev {device} parent 1:{minor:x} bfifo limit {queue_bytes(client_bits_per_second)}")
        lines.append(
            f"filter add dev {device} parent 1: protocol ip prio 1 u32 match ip dst {address}/32 flowid 1:{minor:x}"
        )
    return lines


def _htb_class(device: str, parent: str, minor: int, bits_per_second: int) -> str:
    burst = burst_bytes(bits_per_second)
    rate = f"rate {bits_per_second}bit ceil {bits_per_second}bit burst {burst} cburst {burst} quantum 65536"
    return f"class add dev {device} parent {parent} classid 1:{minor:x} htb {rate}"
