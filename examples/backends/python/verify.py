"""Verifies that a request comes from the gateway: SDK-HMAC-SHA256, `backendSignature: {dialect: Huawei}`.

Standard library only: copy this file. The key is the Secret of the SignatureKey with `usage: Backend`.
Text is latin-1 throughout: one character per byte of the wire.
"""

import hashlib
import hmac
import re
from datetime import datetime, timezone

MAX_CLOCK_SKEW_SECONDS = 5 * 60
CREDENTIAL = re.compile(
    r"SDK-HMAC-SHA256 Access=([A-Za-z0-9_-]{1,64}), SignedHeaders=([a-z0-9_;-]{1,4096}), Signature=([0-9a-f]{64})"
)
DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
AMBIGUOUS_ESCAPE = re.compile(r"%2F|%(?![0-9A-F]{2})", re.IGNORECASE)
PREVIOUS = "x-countersign-previous-authorization"


def refuse(reason):
    return {"valid": False, "reason": reason}


def verify_gateway_signature(method, target, headers, body, keys, now):
    """Judges a request.

    target: path and query as received. headers: (name, value) pairs as received, repeats kept. body: its bytes
    before any parser. keys: (key id, secret) pairs, one; two while the key rotates. now: seconds since the epoch.
    """
    by_name = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(value.strip(" \t"))
    current = by_name.get("authorization", [])
    previous = by_name.get(PREVIOUS, [])
    if not current:
        return refuse("none")
    if len(current) > 1 or len(previous) > 1:
        return refuse("more than one credential")

    # During a rotation the gateway signs with both secrets: whichever this backend has will do.
    result = verify_credential(current[0], method, target, by_name, body, keys, now)
    if result["valid"] or not previous:
        return result
    older = verify_credential(previous[0], method, target, by_name, body, keys, now)
    return older if older["valid"] else result


def verify_credential(credential, method, target, headers, body, keys, now):
    fields = CREDENTIAL.fullmatch(credential)
    if not fields:
        return refuse("not an SDK-HMAC-SHA256 credential")
    key_id, signed_headers, signature = fields.groups()

    names = signed_headers.split(";")
    # Who is calling is in these headers: one that is not signed is not the gateway's.
    identity = [name for name in headers if name.startswith("x-countersign-") and name != PREVIOUS]
    for name in ["host", "x-sdk-date", *identity]:
        if name not in names:
            return refuse(f"{name} is not signed")
    for name in names:
        if len(headers.get(name, [])) != 1:
            return refuse(f"signed header {name} has to occur once")
    # The gateway signs this one only for bodies that it does not read (verification.body: Streamed).
    if "x-sdk-content-sha256" in names:
        return refuse("the body is not signed")

    date = headers["x-sdk-date"][0]
    signed_at = parse_date(date)
    if signed_at is None or abs(now - signed_at) > MAX_CLOCK_SKEW_SECONDS:
        return refuse("the signature has expired")

    # The gateway sends the query in canonical form: what arrived is what was signed, byte for byte.
    path, _, query = target.partition("?")
    if AMBIGUOUS_ESCAPE.search(path):
        return refuse("the path can be read in two ways")

    lines = "".join(f"{name}:{headers[name][0]}\n" for name in names)
    canonical = "\n".join([method, canonical_path(path), query, lines, signed_headers, sha256(body)])
    text = "\n".join(["SDK-HMAC-SHA256", date, sha256(canonical.encode("latin-1"))])
    for candidate_id, secret in keys:
        expected = hmac.new(secret.encode(), text.encode("latin-1"), hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected, signature) and candidate_id == key_id and secret:
            return {"valid": True, "keyId": key_id}
    return refuse("the signature does not match")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def parse_date(text):
    """Seconds since the epoch; None for all but `YYYYMMDDTHHMMSSZ` of a real date."""
    if not DATE.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def canonical_path(path):
    """Decoded and encoded again, byte by byte, with a slash at the end."""
    decoded = re.sub(r"%([0-9A-Fa-f]{2})", lambda escape: chr(int(escape.group(1), 16)), path)
    encoded = re.sub(r"[^A-Za-z0-9\-._~/]", lambda byte: f"%{ord(byte.group()):02X}", decoded)
    return encoded if encoded.endswith("/") else f"{encoded}/"
