"""From what failed to the errno a program sees: the one table of this border. Pure.

::

    OSError                         its own errno (EIO when it carries none)
    ObjectChanged, OriginNotFound   ESTALE   the version that was opened, or listed, is gone
    OriginDenied, OriginArchived    EACCES   the credentials do not suffice, or the object must be restored first
    any other CacheError            EIO      explained by the log line
    anything else                   EIO      a bug: the traceback is in the log
"""

from __future__ import annotations

import errno

from cachefs.errors import CacheError, ObjectChanged, OriginArchived, OriginDenied, OriginNotFound

_TABLE: tuple[tuple[type[CacheError], int], ...] = (
    (ObjectChanged, errno.ESTALE),
    (OriginNotFound, errno.ESTALE),
    (OriginDenied, errno.EACCES),
    (OriginArchived, errno.EACCES),
)

ORDINARY = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENODATA, errno.ERANGE, errno.EROFS, errno.EINTR, errno.ENOSYS,
     errno.EINVAL, errno.EAGAIN, errno.ENOTTY}
)  # fmt: skip
"""Answers that programs ask for all day long: not worth a line in the log."""


def errno_of(error: BaseException) -> int:
    """The positive errno for `error`; defined for every exception."""
    if isinstance(error, OSError):
        return error.errno or errno.EIO
    for kind, number in _TABLE:
        if isinstance(error, kind):
            return number
    return errno.EIO


def is_bug(error: BaseException) -> bool:
    """Whether nobody foresaw `error`, so that the log needs its traceback."""
    return not isinstance(error, (OSError, CacheError))
