"""Taking up a blob of an earlier run: what may be believed.

Under the same boot of the machine, everything: whatever that process had written is in the page cache or on the disk,
and the order of its writes is the order we see. Under another boot, nothing but the shape: writes may have reached
the disk in any order, so that every chunk said to be PRESENT becomes SUSPECT and is compared with its hash before its
first use, one by one as they are wanted. That holds for complete and long written blobs too, since disks forget
silently.
"""

from __future__ import annotations

import os
from dataclasses import replace

from cachefs.store.meta import write_meta
from cachefs.store.oscalls import Calls, Step
from cachefs.store.tier import Found, Tier
from cachefs.types import BlobId


def recover(tier: Tier, blob_id: BlobId, boot_id: str, calls: Calls) -> Found:
    """What is left of the blob. Raises CorruptBlob or OSError when that is of no use.

    The index is distrusted before the new boot id is written: a crash in between only repeats the step.
    """
    found = tier.inspect(blob_id)
    if found.meta.boot_id == boot_id:
        return found
    files, index = tier.open(found.meta)
    try:
        index.distrust()
    finally:
        files.close()
    meta = replace(found.meta, boot_id=boot_id)
    try:
        write_meta(calls, tier.paths(blob_id), meta)
    except OSError as error:  # then the next start distrusts what this one verifies, and no more
        tier.fault(Step.META_WRITE, error)
    os.utime(tier.paths(blob_id).meta, (found.last_used, found.last_used))
    allocated_bytes = tier.allocated_bytes(blob_id)  # a meta.json.tmp that a crash left is gone now
    return replace(found, meta=meta, allocated_bytes=allocated_bytes)
