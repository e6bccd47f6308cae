"""What the codes in exceptions mean (HTTP, SQLSTATE, errno ...), which say more than the class. Pure.

Each table leads to the name of a kind.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

# https://www.rfc-editor.org/rfc/rfc9110#name-status-codes. A status that is not here is a fault of the request.
SERVICE: Mapping[int, str] = {
    **dict.fromkeys(range(500, 600), "service-error"),
    **dict.fromkeys((501, 505, 506, 510), "http-request"),  # what the service will never do
    **dict.fromkeys((408, 421, 423, 425, 499), "service-error"),
    **dict.fromkeys((401, 407), "service-credentials"),
    403: "service-permission",
    429: "service-rate-limit",
}
# https://docs.stripe.com/api/errors: 409 is a conflict with another request. Others are told apart by their class.
STRIPE: Mapping[int, str] = {
    **dict.fromkeys(range(500, 600), "stripe-api"),
    401: "stripe-credentials",
    403: "stripe-permission",
    **dict.fromkeys((408, 409, 424, 425), "stripe-api"),
    429: "stripe-rate-limit",
}

# What HTTP would say to a gRPC answer, but that an aborted call and a cancelled one are to be made again:
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
GRPC: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 503,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 422,
}
# What HTTP would say to AWS's codes, which often come with a 400: botocore/retries/standard.py lists the first two
# groups, https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html the rest.
AWS: Mapping[str, int] = {
    **dict.fromkeys(
        [
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottledException",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "LimitExceededException",
            "RequestThrottled",
            "SlowDown",
            "EC2ThrottledException",
        ],
        429,
    ),
    **dict.fromkeys(
        [
            "RequestTimeout",
            "RequestTimeoutException",
            "PriorRequestNotComplete",
            "TransactionInProgressException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
        503,
    ),
    **dict.fromkeys(
        [
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "AuthFailure",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "InvalidAccessKeyId",
            "MissingAuthenticationToken",
            "OptInRequired",
        ],
        401,
    ),
    **dict.fromkeys(["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized"], 403),
}

# The longest beginning counts. https://www.postgresql.org/docs/current/errcodes-appendix.html
SQLSTATES: Mapping[str, str] = {
    "08": "database-unavailable",
    "0A": "database-unsupported",
    "22": "database-data",
    "23": "database-data",
    "25": "database-transaction",
    "25006": "database-read-only",
    "28": "database-credentials",
    "3D": "database-credentials",
    "40": "database-contention",
    "42": "database-schema",
    "42501": "database-permission",
    "53": "database-unavailable",
    "53100": "database-full",
    "55P03": "database-contention",
    "55006": "database-contention",
    "57": "database-unavailable",
    "57014": "database-timeout",
    "58": "database-unavailable",
    "XX": "database-other",
    "XX001": "database-damaged",
    "XX002": "database-damaged",
}
# MySQL's, of a second database: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
MYSQL: Mapping[int, str] = {
    1021: "database-full",
    1044: "database-permission",
    1045: "database-credentials",
    1114: "database-full",
    1205: "database-contention",
    1213: "database-contention",
    1290: "database-read-only",
    1836: "database-read-only",
}
# The longest beginning counts. https://sqlite.org/rescode.html. LOCKED is a conflict within one connection.
SQLITE: Mapping[str, str] = {
    "SQLITE_BUSY": "database-contention",
    "SQLITE_LOCKED": "database-own-lock",
    "SQLITE_FULL": "database-full",
    "SQLITE_READONLY": "database-read-only",
    "SQLITE_CORRUPT": "database-damaged",
    "SQLITE_NOTADB": "database-damaged",
    "SQLITE_ERROR": "database-schema",  # "no such table", which sqlite3 calls operational
    "SQLITE_PERM": "database-permission",
    "SQLITE_AUTH": "database-permission",
    "SQLITE_TOOBIG": "database-data",
    "SQLITE_MISMATCH": "database-data",
    "SQLITE_CONSTRAINT": "database-data",
    "SQLITE_MISUSE": "code",
}

ERRNOS: Mapping[int, str] = {
    getattr(errno, name): kind
    for kind, names in {
        "network": (
            "EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENETRESET EADDRNOTAVAIL ENOTCONN ENONET EPROTO ECONNREFUSED "
            "ECONNRESET ECONNABORTED EPIPE"
        ),
        "network-timeout": "ETIMEDOUT",
        "disk-full": "ENOSPC EDQUOT",
        "resources-exhausted": "EMFILE ENFILE ENOMEM EAGAIN ENOBUFS ENOLCK",
        "not-allowed": "EACCES EPERM",
        "file": "EROFS ENOENT EEXIST EISDIR ENOTDIR ENAMETOOLONG ELOOP",
    }.items()
    for name in names.split()
    if hasattr(errno, name)  # not every system has each
}


def by_beginning(table: Mapping[str, str], code: str) -> str:
    """The kind for the longest beginning of the code that is in the table; "" when none is."""
    return next((table[code[:length]] for length in range(len(code), 1, -1) if code[:length] in table), "")
